//! Advice about damage in transit.

use crate::diagnosis::words::advice::{Advice, NOTHING};
use crate::diagnosis::words::commands::{BYTES, NEW_TOKEN};

const DO_NOT_REPAIR: &str = "Do not repair it silently: the client needs to know about it.";

pub(super) const SURROUNDING_WHITESPACE: Advice = Advice {
    meaning: "There is a space, a tab or a line break before or after the token. It often comes from a file or from `echo`.",
    see: "The explanation names each character and its position, and says whether the rest is a token of this server.",
    client: "Strip whitespace when you read the token, for example with `tr -d '[:space:]'`.",
    resource_server: DO_NOT_REPAIR,
    administrator: NOTHING,
    commands: &[BYTES],
};

pub(super) const LINE_BREAK: Advice = Advice {
    meaning: "The token was wrapped by a terminal, an e-mail or `base64` without `-w0`.",
    see: "The explanation says where the line breaks are, and whether the rest is a token of this server.",
    client: "Remove every line break and keep the token on one line.",
    resource_server: DO_NOT_REPAIR,
    administrator: NOTHING,
    commands: &[BYTES],
};

pub(super) const INVISIBLE_CHARACTER: Advice = Advice {
    meaning: "The token contains an invisible character, such as a zero-width space, a no-break space or a byte order mark. \
              Copying from documents and chats adds them.",
    see: "The explanation names the character and its position. A token consists of printable ASCII characters.",
    client: "Get the token from its issuer again, or remove everything that is not printable ASCII.",
    resource_server: DO_NOT_REPAIR,
    administrator: NOTHING,
    commands: &[BYTES],
};

pub(super) const BEARER_PREFIX_LEFT_IN: Advice = Advice {
    meaning: "The word `Bearer` is part of the token, as in `Authorization: Bearer Bearer eyJ…` or `token=Bearer eyJ…`.",
    see: "The token begins with `Bearer`. The explanation says whether the rest is a token of this server.",
    client: "Store the token without the word; add it once, when you write the header.",
    resource_server: "Strip the word before you introspect the token.",
    administrator: NOTHING,
    commands: &[],
};

pub(super) const QUOTED: Advice = Advice {
    meaning: "There are quotes around the token. It was copied with them from JSON or from a settings file.",
    see: "The explanation says which quotes there are, and whether the rest is a token of this server.",
    client: "Read JSON with a parser, for example `jq -r .access_token`, and store the token without quotes.",
    resource_server: DO_NOT_REPAIR,
    administrator: NOTHING,
    commands: &["printf %s \"$CLIENT_SECRET\" | curl -s {issuer}/auth/token -d grant_type=client_credentials \
         --data-urlencode client_id=CLIENT_ID --data-urlencode client_secret@- \
         | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/'"],
};

pub(super) const PERCENT_ENCODED: Advice = Advice {
    meaning: "The token was percent-encoded for a form or a URL more often than it was decoded.",
    see: "The token contains `%`, which no token does. The explanation says how often it was encoded.",
    client: "Encode a token only when you put it into a form, and only once. A header takes it as it is.",
    resource_server: "Encode the `token` parameter once; most form encoders do it for you.",
    administrator: "Check whether a proxy encodes headers.",
    commands: &[],
};

pub(super) const TRUNCATED: Advice = Advice {
    meaning: "The beginning or the end of the token is missing. A database column, a log or a copied line was too short.",
    see: "The explanation says which part is missing or too short. Jeton never guesses missing characters, so it can say \
          nothing more about the token.",
    client: "Find out where it is cut off; a database column of 255 characters is the usual place. Tokens can be several \
             kilobytes long.",
    resource_server: "Allow headers of at least 16 KiB.",
    administrator: "Check whether a proxy limits the length of headers.",
    commands: &["printf %s \"$TOKEN\" | wc -c"],
};

pub(super) const TWO_TOKENS_JOINED: Advice = Advice {
    meaning: "One token follows another, with a comma or nothing between them. A header was added instead of replaced.",
    see: "The explanation says how many tokens there are and where the second begins.",
    client: "Replace the header instead of adding to it.",
    resource_server: "Look for a library that joins repeated headers with a comma.",
    administrator: "Check whether a proxy adds an `Authorization` header of its own.",
    commands: &[],
};

pub(super) const WRONG_BASE64_ALPHABET: Advice = Advice {
    meaning: "The token contains `+`, `/` or `=`, where base64url has `-`, `_` and no padding. Something decoded and \
              re-encoded it.",
    see: "The explanation says which characters are wrong, and whether the token is one of this server's once they are \
          replaced.",
    client: "Treat the token as an opaque string; never decode it.",
    resource_server: "Pass the token on unchanged.",
    administrator: NOTHING,
    commands: &[],
};

pub(super) const CHANGED_CASE: Advice = Advice {
    meaning: "The token was converted to lower or upper case by a cache, a database collation or a header library.",
    see: "The explanation says what gives it away. The original case cannot be restored.",
    client: "Find out where the case changes; tokens are case-sensitive.",
    resource_server: "Never change the case of header values, only that of header names.",
    administrator: NOTHING,
    commands: &[],
};

pub(super) const NOT_A_TOKEN: Advice = Advice {
    meaning: "The text does not have the form of a token. It is an empty value (`undefined`, `null`, `[object Object]`), a \
              placeholder such as `$TOKEN`, JSON, a web page, or something from another system.",
    see: "The explanation says what was sent instead. A token of this server is a JWT (`eyJ…`, with two dots) or begins with \
          `jat_`.",
    client: "Check the value of the variable before you send it. Send the `access_token` from the response, not the whole \
             response.",
    resource_server: "Take the token to be what follows `Bearer` and one space.",
    administrator: NOTHING,
    commands: &[NEW_TOKEN],
};
