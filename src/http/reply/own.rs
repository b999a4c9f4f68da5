//! The pages on which people look after their own account.

use axum::http::StatusCode;
use axum::response::Response;
use zeroize::Zeroizing;

use super::{noted, status};
use crate::app::Failure;
use crate::browser::new_password::Unfit;
use crate::browser::second_factor::RecoveryCodes;
use crate::endpoints::account::{Account, AccountProblem};
use crate::endpoints::reply::{SetPassword, SetUpSecondFactor};
use crate::http::pages::{AccountPage, Look, RecoveryCodesPage, SecondFactorPage, SetPasswordPage};
use crate::http::request::EndpointRequest;

pub(super) fn account(request: &EndpointRequest, look: &Look<'_>, account: &Account) -> Response {
    let shown = |status| AccountPage { account }.respond(status, look);
    match &account.problem {
        None => shown(StatusCode::OK),
        Some(AccountProblem::NewPassword(unfit)) => refused(request, *unfit, shown),
        Some(
            AccountProblem::CurrentPassword(failure)
            | AccountProblem::SecondFactorPassword(failure)
            | AccountProblem::Code(failure),
        ) => noted(request, failure, shown(status(failure))),
    }
}

pub(super) fn set_up_second_factor(look: &Look<'_>, page: &SetUpSecondFactor) -> Response {
    let status = if page.is_wrong { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    SecondFactorPage {
        setup: &page.setting_up.sealed,
        proof: &page.proof,
        address: &page.setting_up.uri,
        secret: &page.setting_up.secret,
        is_wrong: page.is_wrong,
        password_proof: page.password_proof.as_deref(),
        request: page.request.as_deref(),
    }
    .respond(status, look)
}

pub(super) fn recovery_codes(look: &Look<'_>, codes: &RecoveryCodes, next: &str) -> Response {
    let codes: Vec<Zeroizing<String>> = codes.texts().collect();
    RecoveryCodesPage { codes: &codes, next }.respond(StatusCode::OK, look)
}

pub(super) fn set_password(request: &EndpointRequest, look: &Look<'_>, form: &SetPassword) -> Response {
    let SetPassword { token, proof, username, problem } = form;
    let shown =
        |status| SetPasswordPage { token: token.text(), proof, username, problem: *problem }.respond(status, look);
    match problem {
        None => shown(StatusCode::OK),
        Some(unfit) => refused(request, *unfit, shown),
    }
}

/// The page with a new password that was refused.
fn refused(request: &EndpointRequest, unfit: Unfit, shown: impl Fn(StatusCode) -> Response) -> Response {
    match unfit {
        Unfit::Busy => noted(request, &Failure::Overloaded, shown(StatusCode::SERVICE_UNAVAILABLE)),
        _ => shown(StatusCode::BAD_REQUEST),
    }
}
