//! The pages for people: plain data, shown by the templates of `templates/pages` in the language of the browser.
//!
//! Each page is whole without script, loads nothing, and names in its policy where its form may lead. Both languages of a text
//! stand side by side in the template (`look.say`).

mod account;
mod agent;
mod authorize;
mod console;
mod demo;
mod device;
mod login;
mod look;
mod message;
mod moment;
mod policy;
mod second_factor;
#[cfg(test)]
mod tests;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

pub(crate) use account::AccountPage;
pub(crate) use authorize::{AnswersTo, AuthorizationErrorPage, ConsentPage, FormPostPage, LogoutPage};
pub(crate) use console::{ConsolePage, ConsolePart};
pub(crate) use demo::{DemoPage, DemoToken};
pub(crate) use device::{DeviceCodePage, DeviceConfirmPage, DeviceDonePage, DeviceProblem};
pub(crate) use login::{LoginPage, LoginProblem, SetPasswordPage};
pub(crate) use look::{Brand, Look};
pub(crate) use message::{Message, MessagePage};
pub(crate) use second_factor::{RecoveryCodesPage, SecondFactorPage};

/// Answers with a page that was rendered. It is not only if its template is wrong.
fn answer(status: StatusCode, content: askama::Result<String>, policy: HeaderValue) -> Response {
    let Ok(content) = content else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, content).into_response()
}

/// Gives a page its template, and the method that answers with it. Its form leads to this server, and to its `form_targets` if it
/// has them.
macro_rules! shown_by {
    ($page:ident, $template:literal) => {
        shown_by!($page, $template, |_| Policy::default());
    };
    ($page:ident, $template:literal, $policy:expr) => {
        impl $page<'_> {
            /// The page as HTML.
            fn render(&self, look: &Look<'_>) -> askama::Result<String> {
                #[derive(askama::Template)]
                #[template(path = $template)]
                struct View<'a> {
                    look: &'a Look<'a>,
                    page: &'a $page<'a>,
                }
                askama::Template::render(&View { look, page: self })
            }

            /// Answers with this page.
            pub(crate) fn respond(&self, status: StatusCode, look: &Look<'_>) -> Response {
                let of_page: fn(&Self) -> Policy<'_> = $policy;
                answer(status, self.render(look), of_page(self).header(look))
            }
        }
    };
}
use shown_by;
