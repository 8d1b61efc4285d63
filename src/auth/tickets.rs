//! Tickets: a minute to begin one run's stream, for browsers, whose `EventSource` can send no header.
//!
//! A ticket stands in an address, and addresses end in histories and logs: so it opens one stream of one run and is soon worth nothing.
//! It is signed and kept nowhere. It carries what it was asked for with, and the stream that it begins goes on only while that is good.

use serde::{Deserialize, Serialize};

use super::jwt::{BadToken, ISSUER, Timed, Tokens, seconds};
use super::principal::{Credential, Principal, TokenFacts};
use super::{Auth, AuthError, ClientOrigin};
use crate::types::{KeyId, RunId, Timestamp, TokenId, UserName};

/// How long a stream may be begun with a ticket, in seconds.
pub const TICKET_SECS: i64 = 60;

/// What tickets begin with, so that they are told from tokens before anything is read.
const PREFIX: &str = "ort_";

const AUDIENCE: &str = "openrunner-stream";

/// What a ticket says.
#[derive(Debug, Serialize, Deserialize)]
struct TicketClaims {
    /// When it ends, in seconds since 1970.
    exp: i64,
    /// When it was made, in seconds since 1970.
    iat: i64,
    /// Whose it is.
    sub: UserName,
    /// For what it was made: streams.
    aud: String,
    /// Who made it: this program.
    iss: String,
    /// The one run whose stream it opens.
    run: RunId,
    /// What it was asked for with.
    by: By,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Token { id: TokenId, expires_at: i64, generation: i64, default_password: bool },
    Key(KeyId),
}

impl Timed for TicketClaims {
    const LIFETIME_SECS: i64 = TICKET_SECS;

    fn times(&self) -> (i64, i64) {
        (self.iat, self.exp)
    }
}

/// A ticket for the stream of `run`. `None` if the library cannot sign, which no input brings about.
fn make(tokens: &Tokens, principal: &Principal, run: RunId, now: Timestamp) -> Option<String> {
    let by = match &principal.credential {
        Credential::Token(token) => By::Token {
            id: token.id,
            expires_at: token.expires_at.as_millis(),
            generation: token.generation,
            default_password: token.default_password,
        },
        Credential::Key { id, .. } => By::Key(*id),
    };
    let iat = seconds(now);
    let claims = TicketClaims {
        exp: iat.saturating_add(TICKET_SECS),
        iat,
        sub: principal.caller.user.clone(),
        aud: AUDIENCE.to_owned(),
        iss: ISSUER.to_owned(),
        run,
        by,
    };
    tokens.sign(&claims).map(|signed| format!("{PREFIX}{signed}"))
}

impl Auth {
    /// A ticket with which `principal` can begin the stream of `run` within [`TICKET_SECS`]. Whether they may see the run is asked
    /// before, and again when the stream begins. `None` if it cannot be signed, which no input brings about.
    pub fn ticket(&self, principal: &Principal, run: RunId) -> Option<String> {
        make(&self.tokens, principal, run, self.clock.now())
    }

    /// Who wants to read the stream of `run`, by what stands in the stream's address: a ticket for it, or a token. An API key does not
    /// belong in an address. Without a run, for an address that names none, no ticket fits.
    ///
    /// # Errors
    /// [`AuthError`]
    pub async fn authenticate_stream(&self, presented: &str, run: Option<RunId>, origin: ClientOrigin) -> Result<Principal, AuthError> {
        if super::api_keys::is_key(presented) {
            return Err(AuthError::KeyInQuery);
        }
        let Some(signed) = presented.strip_prefix(PREFIX) else { return self.authenticate(presented, origin).await };
        let claims: TicketClaims = self.tokens.verify(signed, AUDIENCE, self.clock.now()).map_err(|bad| match bad {
            BadToken::Expired => AuthError::Expired,
            BadToken::Invalid => AuthError::Invalid,
        })?;
        if Some(claims.run) != run {
            return Err(AuthError::Invalid);
        }
        let principal = match claims.by {
            By::Token { id, expires_at, generation, default_password } => {
                let token = TokenFacts { id, expires_at: Timestamp::from_millis(expires_at), generation, default_password };
                self.by_token(&claims.sub, token).await?
            }
            By::Key(id) => self.by_key_id(id).await?,
        };
        principal.require_allowed(origin)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::auth::tests::{LOCAL, REMOTE, fresh};

    #[tokio::test]
    async fn i5_a_ticket_opens_one_run_for_a_minute_and_nothing_else() {
        let (auth, clock, _folder) = fresh().await;
        let token = auth.login("user", "user", LOCAL).await.unwrap().token;
        let principal = auth.authenticate(&token, LOCAL).await.unwrap();
        let run = RunId::new();
        let ticket = auth.ticket(&principal, run).unwrap();
        assert_eq!(
            auth.authenticate_stream(&ticket, Some(run), LOCAL).await.unwrap(),
            principal,
            "the stream goes on while the token is good"
        );
        assert!(matches!(auth.authenticate_stream(&ticket, Some(RunId::new()), LOCAL).await, Err(AuthError::Invalid)), "another run");
        assert!(matches!(auth.authenticate(&ticket, LOCAL).await, Err(AuthError::Invalid)), "not a token");
        assert!(matches!(auth.authenticate_stream(&ticket, None, LOCAL).await, Err(AuthError::Invalid)), "no run at all");
        let signed = ticket.strip_prefix(PREFIX).unwrap();
        assert!(matches!(auth.authenticate(signed, LOCAL).await, Err(AuthError::Invalid)), "nor without what it begins with");
        let disguised = format!("{PREFIX}{token}");
        assert!(matches!(auth.authenticate_stream(&disguised, Some(run), LOCAL).await, Err(AuthError::Invalid)), "a token is no ticket");
        clock.0.fetch_add(66_000, Ordering::Relaxed);
        assert!(matches!(auth.authenticate_stream(&ticket, Some(run), LOCAL).await, Err(AuthError::Expired)));
        assert!(auth.authenticate_stream(&token, Some(run), LOCAL).await.is_ok());
    }

    #[tokio::test]
    async fn i2_a_ticket_is_as_local_as_the_token_that_it_was_asked_for_with() {
        let (auth, _clock, _folder) = fresh().await;
        let token = auth.login("user", "user", LOCAL).await.unwrap().token;
        let principal = auth.authenticate(&token, LOCAL).await.unwrap();
        let run = RunId::new();
        let ticket = auth.ticket(&principal, run).unwrap();
        let refused = auth.authenticate_stream(&ticket, Some(run), REMOTE).await;
        assert!(matches!(refused, Err(AuthError::DefaultPasswordNotLocal(_))), "{refused:?}");
        auth.logout(&principal).await.unwrap();
        assert!(matches!(auth.authenticate_stream(&ticket, Some(run), LOCAL).await, Err(AuthError::Invalid)), "it ends with its token");
    }
}
