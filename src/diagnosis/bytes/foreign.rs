//! Tokens of other services, recognised by the prefixes that those services publish.

/// The services, and how their tokens begin. Of two that apply, the first counts.
const SERVICES: [(&str, &[&str]); 25] = [
    ("GitHub", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"]),
    ("GitLab", &["glpat-", "gloas-"]),
    ("Slack", &["xoxb-", "xoxp-", "xoxa-", "xapp-"]),
    ("Stripe", &["sk_live_", "sk_test_", "pk_live_", "pk_test_", "rk_live_"]),
    ("Ory", &["ory_at_", "ory_rt_", "ory_ac_"]),
    ("Google", &["ya29.", "AIza", "1//0"]),
    ("Facebook", &["EAACEdEose0cBA"]),
    ("npm", &["npm_"]),
    ("PyPI", &["pypi-"]),
    ("DigitalOcean", &["dop_v1_"]),
    ("Shopify", &["shpat_"]),
    ("Hugging Face", &["hf_"]),
    ("Anthropic", &["sk-ant-"]),
    ("OpenAI", &["sk-"]),
    ("SendGrid", &["SG."]),
    ("AWS", &["AKIA", "ASIA"]),
    ("Vault", &["hvs."]),
    ("Linear", &["lin_api_"]),
    ("Databricks", &["dapi"]),
    ("Docker", &["dckr_pat_"]),
    ("Notion", &["ntn_", "secret_"]),
    ("Atlassian", &["ATATT3x"]),
    ("Supabase", &["sbp_"]),
    ("Figma", &["figd_"]),
    ("a service that issues PASETO", &["v2.local.", "v2.public.", "v4.local.", "v4.public."]),
];

/// The service whose tokens begin like this text.
pub(super) fn maker(text: &str) -> Option<&'static str> {
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~+/=|".contains(&byte)) {
        return None;
    }
    let begins_like = |prefix: &&str| text.strip_prefix(prefix).is_some_and(|rest| rest.len() >= 10);
    SERVICES.iter().find(|(_, prefixes)| prefixes.iter().any(begins_like)).map(|(name, _)| *name)
}
