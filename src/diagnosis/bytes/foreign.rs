//! Tokens of other services, recognised by the prefixes that those services publish.

const PREFIXES: [(&str, &str); 47] = [
    ("ghp_", "GitHub"),
    ("gho_", "GitHub"),
    ("ghu_", "GitHub"),
    ("ghs_", "GitHub"),
    ("ghr_", "GitHub"),
    ("github_pat_", "GitHub"),
    ("glpat-", "GitLab"),
    ("gloas-", "GitLab"),
    ("xoxb-", "Slack"),
    ("xoxp-", "Slack"),
    ("xoxa-", "Slack"),
    ("xapp-", "Slack"),
    ("sk_live_", "Stripe"),
    ("sk_test_", "Stripe"),
    ("pk_live_", "Stripe"),
    ("pk_test_", "Stripe"),
    ("rk_live_", "Stripe"),
    ("ory_at_", "Ory"),
    ("ory_rt_", "Ory"),
    ("ory_ac_", "Ory"),
    ("ya29.", "Google"),
    ("AIza", "Google"),
    ("EAACEdEose0cBA", "Facebook"),
    ("npm_", "npm"),
    ("pypi-", "PyPI"),
    ("dop_v1_", "DigitalOcean"),
    ("shpat_", "Shopify"),
    ("hf_", "Hugging Face"),
    ("sk-ant-", "Anthropic"),
    ("sk-", "OpenAI"),
    ("SG.", "SendGrid"),
    ("AKIA", "AWS"),
    ("ASIA", "AWS"),
    ("hvs.", "Vault"),
    ("lin_api_", "Linear"),
    ("dapi", "Databricks"),
    ("dckr_pat_", "Docker"),
    ("ntn_", "Notion"),
    ("secret_", "Notion"),
    ("ATATT3x", "Atlassian"),
    ("sbp_", "Supabase"),
    ("figd_", "Figma"),
    ("1//0", "Google"),
    ("v2.local.", "a service that issues PASETO"),
    ("v2.public.", "a service that issues PASETO"),
    ("v4.local.", "a service that issues PASETO"),
    ("v4.public.", "a service that issues PASETO"),
];

/// The service whose tokens begin like this text.
pub(super) fn maker(text: &str) -> Option<&'static str> {
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~+/=|".contains(&byte)) {
        return None;
    }
    let is_long_enough = |prefix: &str| text.len() >= prefix.len() + 10;
    PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix) && is_long_enough(prefix)).map(|(_, name)| *name)
}
