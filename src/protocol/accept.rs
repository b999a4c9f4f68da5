//! Which media type a caller wants (`Accept`, RFC 9110 §12.5.1).

/// Whether a caller wants `wanted` rather than `usual`: it names it, and no less gladly than the other. Of two that it wants as
/// much, the first one counts. Wildcards are satisfied by the usual one.
pub fn prefers(accept: &[&[u8]], wanted: &str, usual: &str) -> bool {
    let mut found: Option<(u16, bool)> = None;
    for header in accept {
        let Ok(text) = std::str::from_utf8(header) else { continue };
        for range in text.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let is_wanted = name.eq_ignore_ascii_case(wanted);
            if !is_wanted && !name.eq_ignore_ascii_case(usual) {
                continue;
            }
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let weight = weight.map_or(1000, thousandths);
            if weight > found.map_or(0, |(best, _)| best) {
                found = Some((weight, is_wanted));
            }
        }
    }
    found.is_some_and(|(_, is_wanted)| is_wanted)
}

/// A weight in thousandths; what is none counts as not acceptable.
fn thousandths(weight: &str) -> u16 {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    match whole {
        "1" => 1000,
        "0" => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_type_is_named_and_no_less_welcome_than_the_usual_one() {
        let prefers = |accept: &str| prefers(&[accept.as_bytes()], "application/x+jwt", "application/json");
        for accept in [
            "application/x+jwt",
            "Application/X+JWT",
            "application/x+jwt, application/json;q=0.9",
            "application/json;q=0.9, */*;q=0.1, application/x+jwt",
            "application/x+jwt, application/json",
            "text/html, application/x+jwt;q=0.5",
            "application/x+jwt ; q=0.001",
        ] {
            assert!(prefers(accept), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/*",
            "application/json",
            "application/json, application/x+jwt",
            "application/x+jwt;q=0",
            "application/x+jwt;q=0.000",
            "application/x+jwt;q=0.5, application/json",
            "application/x+jwt;q=high",
            "application/x+jwt2",
            "application/x+jwt/",
        ] {
            assert!(!prefers(accept), "{accept}");
        }
        assert!(super::prefers(&[b"\xff", b"application/x+jwt"], "application/x+jwt", "application/json"));
    }
}
