//! The parameters of a request about a token.

use crate::protocol::schema::describe;

pub(crate) struct AboutToken;

describe!(AboutToken {
    "description": "The token that a request is about.",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "minLength": 1, "description": "An access token, or a refresh token."},
        "token_type_hint": {"type": "string", "description": "Allowed and not needed."},
    },
});
