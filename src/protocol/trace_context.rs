//! The trace that a request belongs to (W3C Trace Context), as its caller says.

use std::fmt;

/// The longest `tracestate`, in bytes (§3.3.1.5), and its most members (§3.3.1.1).
const LONGEST_STATE: usize = 512;
const MOST_MEMBERS: usize = 32;
/// The flag that says that the caller records the trace (§3.2.2.5.1).
const SAMPLED: u8 = 1;

/// The id of a trace; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(u128);

/// The id of a span of a trace; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(u64);

impl TraceId {
    /// An id of random bytes.
    pub fn of(random: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(random).max(1))
    }

    /// A number that is as random as the id, from 0 up to 1: whoever decides by it, decides alike about all of a trace.
    #[expect(clippy::cast_precision_loss, reason = "53 bits have their place in a float")]
    pub fn share(self) -> f64 {
        const BITS: u32 = 53;
        let low = self.0 & ((1 << BITS) - 1);
        low as f64 / (1_u64 << BITS) as f64
    }
}

impl SpanId {
    /// An id of random bytes.
    pub fn of(random: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(random).max(1))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// What a caller says of the trace of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The caller's span, within which the request was sent.
    pub parent: SpanId,
    /// Whether the caller records the trace.
    pub is_sampled: bool,
    /// What tracing systems say to one another (`tracestate`).
    pub state: Option<String>,
}

impl TraceContext {
    /// Reads the headers `traceparent` and `tracestate`, the latter joined by commas if there are several. `None` if the first is
    /// malformed (§3.2); a malformed state is left out (§3.3).
    pub fn read(parent: &str, state: Option<&str>) -> Option<Self> {
        let mut parts = parent.splitn(5, '-');
        let mut next = |length: usize| parts.next().filter(|part| part.len() == length && part.bytes().all(is_hex));
        let (version, trace, span, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        let further = parts.next();
        // Later versions may append to what the first one has (§3.2.2.1).
        if version == "ff" || (version == "00" && further.is_some()) {
            return None;
        }
        Some(Self {
            trace: u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0).map(TraceId)?,
            parent: u64::from_str_radix(span, 16).ok().filter(|id| *id != 0).map(SpanId)?,
            is_sampled: u8::from_str_radix(flags, 16).ok()? & SAMPLED != 0,
            state: state.filter(|state| is_state(state)).map(str::to_owned),
        })
    }
}

const fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Whether a text is a list of members (§3.3.1).
fn is_state(text: &str) -> bool {
    let is_key = |key: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
        (1..=256).contains(&key.len()) && key.bytes().all(is_allowed)
    };
    let is_value = |value: &str| {
        let is_allowed = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
        (1..=256).contains(&value.len()) && value.bytes().all(is_allowed)
    };
    let is_member = |member: &str| member.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value));
    let members = || text.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty());
    text.len() <= LONGEST_STATE && (1..=MOST_MEMBERS).contains(&members().count()) && members().all(is_member)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_names_trace_and_span_and_says_whether_they_are_recorded() {
        let read = TraceContext::read(PARENT, Some("congo=t61rcWkgMzE, a@b=1")).unwrap();
        assert_eq!(read.trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(read.parent.to_string(), "b7ad6b7169203331");
        assert_eq!((read.is_sampled, read.state.as_deref()), (true, Some("congo=t61rcWkgMzE, a@b=1")));
        let sampled = |parent: &str| TraceContext::read(parent, None).map(|read| read.is_sampled);
        assert_eq!(sampled("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"), Some(false));
        assert_eq!(sampled("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"), Some(true));
        assert_eq!(sampled("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"), Some(true));
    }

    #[test]
    fn a_malformed_traceparent_is_none() {
        for wrong in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::read(wrong, None), None, "{wrong}");
        }
    }

    #[test]
    fn a_malformed_tracestate_is_left_out_and_the_trace_goes_on() {
        let many = (0..=MOST_MEMBERS).map(|index| format!("k{index}=v")).collect::<Vec<_>>().join(",");
        let long = format!("a={}", "x".repeat(LONGEST_STATE));
        for wrong in ["", ",", "a", "A=b", "a=", "=b", "a=b=c", "a=b\u{e9}", &many, &long] {
            let read = TraceContext::read(PARENT, Some(wrong)).unwrap();
            assert_eq!(read.state, None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_differs_from_the_grammar_is_none(text in any::<String>()) {
            prop_assert_eq!(TraceContext::read(&text, Some(&text)), None);
        }

        #[test]
        fn one_changed_character_never_makes_another_trace_of_it(at in 0..PARENT.len(), to in any::<char>()) {
            let mut changed: Vec<char> = PARENT.chars().collect();
            changed[at] = to;
            let changed: String = changed.into_iter().collect();
            if let Some(read) = TraceContext::read(&changed, None) {
                let flags = &changed[53..];
                prop_assert_eq!(format!("{}-{}-{}-{}", &changed[..2], read.trace, read.parent, flags), changed);
            }
        }

        #[test]
        fn the_share_of_an_id_is_below_one(random in any::<[u8; 16]>()) {
            prop_assert!((0.0..1.0).contains(&TraceId::of(random).share()));
        }
    }
}
