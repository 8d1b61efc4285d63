//! Tokens: JSON Web Tokens signed with HS256 only.
//!
//! The algorithm is fixed here, not read from the token. All claims are required and have one type: the library alone would accept a
//! floating-point `exp` and a list in `aud`, so [`Claims`] is stricter. The only optional claim is `nbf`, which this server does not write;
//! where it stands it is checked too. Times are compared with the server's clock, with [`LEEWAY_SECS`] in the bearer's favor.
//!
//! The same key signs [tickets](super::tickets), with another audience, so that one cannot be used as the other.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::SigningKey;
use crate::types::{Timestamp, TokenId, UserId};

/// Lifetime of a token, in seconds: one day.
pub(super) const LIFETIME_SECS: i64 = 24 * 60 * 60;

/// Tolerance for clock differences between machines, in seconds, for `exp`, `iat` and `nbf`.
const LEEWAY_SECS: i64 = 5;

/// Maximum length of a token, in bytes. Actual tokens have about 300.
const MAX_LEN: usize = 4096;

pub(super) const ISSUER: &str = "openrunner";
const AUDIENCE: &str = "openrunner-api";

/// The claims of a token. They contain no role, which is always read from the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// Expiry, in seconds since 1970.
    pub(super) exp: i64,
    /// Creation time, in seconds since 1970.
    pub(super) iat: i64,
    /// When it becomes valid, in seconds since 1970; absent in tokens of this server.
    #[serde(default, deserialize_with = "integer", skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    /// The user, by id: a token of a removed user is not a token of another user with the same name.
    pub(super) sub: UserId,
    /// Audience: this API.
    aud: String,
    /// Issuer: this program.
    iss: String,
    /// Id of the token, for revocation.
    pub(super) jti: TokenId,
    /// Generation of the user's password at login.
    #[serde(rename = "gen")]
    pub(super) generation: i64,
    /// Whether it was obtained with a default password, so that it is valid for local clients only.
    #[serde(rename = "dfl")]
    pub(super) default_password: bool,
}

/// Why a token is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadToken {
    /// It has expired.
    Expired,
    /// It was not issued by this server, or is damaged.
    Invalid,
}

/// Signs and verifies tokens, and claims for other audiences.
pub(super) struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
}

/// Claims with a lifetime.
pub(super) trait Timed {
    /// Maximum lifetime, in seconds.
    const LIFETIME_SECS: i64;

    /// Creation time and expiry, in seconds since 1970.
    fn times(&self) -> (i64, i64);

    /// When they become valid, in seconds since 1970; `None` without a claim about it.
    fn not_before(&self) -> Option<i64>;
}

/// A claim that may be absent, but is an integer where it stands.
pub(super) fn integer<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    i64::deserialize(deserializer).map(Some)
}

impl Timed for Claims {
    const LIFETIME_SECS: i64 = LIFETIME_SECS;

    fn times(&self) -> (i64, i64) {
        (self.iat, self.exp)
    }

    fn not_before(&self) -> Option<i64> {
        self.nbf
    }
}

impl Tokens {
    pub(super) fn new(key: &SigningKey) -> Self {
        Self { signing: EncodingKey::from_secret(key.as_bytes()), verifying: DecodingKey::from_secret(key.as_bytes()) }
    }

    /// A token for `user`, valid for a day from `now`. `None` if signing fails, which no input causes.
    pub(super) fn issue(&self, user: UserId, generation: i64, default_password: bool, now: Timestamp) -> Option<String> {
        let iat = seconds(now);
        let claims = Claims {
            exp: iat.saturating_add(LIFETIME_SECS),
            iat,
            nbf: None,
            sub: user,
            aud: AUDIENCE.to_owned(),
            iss: ISSUER.to_owned(),
            jti: TokenId::new(),
            generation,
            default_password,
        };
        self.sign(&claims)
    }

    /// The claims of a valid token.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, BadToken> {
        self.verify_for(token, AUDIENCE, now)
    }

    /// Signs claims.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Option<String> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.signing).ok()
    }

    /// The claims of a valid token for `audience`.
    pub(super) fn verify_for<C: Timed + DeserializeOwned>(&self, token: &str, audience: &str, now: Timestamp) -> Result<C, BadToken> {
        if token.len() > MAX_LEN {
            return Err(BadToken::Invalid);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "sub", "aud", "iss"]);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[ISSUER]);
        // The library uses the system clock; the expiry is checked below with the server's clock.
        validation.validate_exp = false;
        let claims: C = jsonwebtoken::decode(token, &self.verifying, &validation).map_err(|_reason| BadToken::Invalid)?.claims;
        let (now, (iat, exp)) = (seconds(now), claims.times());
        if exp.saturating_add(LEEWAY_SECS) <= now {
            return Err(BadToken::Expired);
        }
        if claims.not_before().is_some_and(|start| start > now.saturating_add(LEEWAY_SECS)) {
            return Err(BadToken::Invalid);
        }
        // A creation time in the future or a longer lifetime shows that this server did not issue it.
        if iat > now.saturating_add(LEEWAY_SECS) || exp > iat.saturating_add(C::LIFETIME_SECS) {
            return Err(BadToken::Invalid);
        }
        Ok(claims)
    }
}

pub(super) fn seconds(moment: Timestamp) -> i64 {
    moment.as_millis().div_euclid(1000)
}

#[cfg(test)]
mod tests {
    //! Rules: I4.

    use jsonwebtoken::encode;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Secret;
    use crate::types::UserRef;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const NOW: i64 = 1_800_000_000;

    fn now() -> Timestamp {
        Timestamp::from_millis(NOW * 1000)
    }

    fn tokens() -> Tokens {
        let key = SigningKey::load(Some(&Secret::new(SECRET.to_owned())), std::path::Path::new("/nowhere")).unwrap();
        Tokens::new(&key)
    }

    fn good_claims() -> Value {
        json!({"exp": NOW + 60, "iat": NOW, "sub": UserRef::named("admin").id, "aud": AUDIENCE, "iss": ISSUER, "jti": TokenId::new(), "gen": 1, "dfl": false})
    }

    fn signed(header: &Header, claims: &Value) -> String {
        encode(header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    }

    fn verify(claims: &Value) -> Result<Claims, BadToken> {
        tokens().verify(&signed(&Header::new(Algorithm::HS256), claims), now())
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = good_claims();
        claims[name] = value;
        claims
    }

    /// Unpadded base64url, for forging tokens that no library creates.
    fn base64url(bytes: &[u8]) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let word = chunk.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
            for index in 0..=chunk.len() {
                text.push(char::from(ALPHABET[(word >> (18 - 6 * index)) as usize & 63]));
            }
        }
        text
    }

    #[test]
    fn a_token_is_valid_with_its_claims_for_a_day() {
        let tokens = tokens();
        let token = tokens.issue(UserRef::named("admin").id, 7, true, now()).unwrap();
        let claims = tokens.verify(&token, now()).unwrap();
        assert_eq!((claims.sub, claims.generation, claims.default_password), (UserRef::named("admin").id, 7, true));
        assert_eq!(claims.exp - claims.iat, LIFETIME_SECS);
        let at = |secs: i64| Timestamp::from_millis((NOW + secs) * 1000);
        assert!(tokens.verify(&token, at(LIFETIME_SECS - 1)).is_ok());
        assert_eq!(tokens.verify(&token, at(LIFETIME_SECS + LEEWAY_SECS)), Err(BadToken::Expired));
        assert_eq!(tokens.verify(&token, at(-60)), Err(BadToken::Invalid));
    }

    #[test]
    fn the_algorithm_is_fixed() {
        let claims = good_claims();
        assert!(verify(&claims).is_ok());
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(tokens().verify(&signed(&Header::new(algorithm), &claims), now()), Err(BadToken::Invalid), "{algorithm:?}");
        }
        let hs256 = signed(&Header::new(Algorithm::HS256), &claims);
        let mut parts = hs256.split('.');
        let (_header, payload, signature) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        for header in [r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"None"}"#, r#"{"alg":"RS256","typ":"JWT"}"#, r#"{"typ":"JWT"}"#, "{}", ""]
        {
            for signature in ["", signature] {
                let forged = format!("{}.{payload}.{signature}", base64url(header.as_bytes()));
                assert_eq!(tokens().verify(&forged, now()), Err(BadToken::Invalid), "{header} {signature}");
            }
        }
    }

    #[test]
    fn every_claim_is_required_and_type_checked() {
        for name in ["exp", "iat", "sub", "aud", "iss", "jti", "gen", "dfl"] {
            let mut claims = good_claims();
            claims.as_object_mut().unwrap().remove(name);
            assert_eq!(verify(&claims), Err(BadToken::Invalid), "without {name}");
            assert_eq!(verify(&with(name, Value::Null)), Err(BadToken::Invalid), "{name} null");
            assert_eq!(verify(&with(name, json!([name]))), Err(BadToken::Invalid), "{name} as a list");
        }
        let wrong = [
            with("exp", json!((NOW + 60).to_string())),
            with("exp", json!(1.9e9)),
            with("exp", json!(u64::MAX)),
            with("exp", json!(NOW + 365 * LIFETIME_SECS)),
            with("iat", json!("now")),
            with("iat", json!(NOW + 3600)),
            with("sub", json!("admin")),
            with("sub", json!(TokenId::new())),
            with("sub", json!("")),
            with("aud", json!("another-api")),
            with("aud", json!([AUDIENCE])),
            with("iss", json!("someone")),
            with("jti", json!("1")),
            with("jti", json!(1)),
            with("dfl", json!("false")),
            with("gen", json!("1")),
        ];
        for claims in wrong {
            assert_eq!(verify(&claims), Err(BadToken::Invalid), "{claims}");
        }
        assert_eq!(verify(&with("exp", json!(NOW - 60))), Err(BadToken::Expired));
        assert!(verify(&with("exp", json!(i64::MIN))).is_err());
    }

    #[test]
    fn a_token_is_invalid_before_its_nbf_which_must_be_an_integer() {
        for valid in [i64::MIN, NOW - 60, NOW, NOW + LEEWAY_SECS] {
            assert!(verify(&with("nbf", json!(valid))).is_ok(), "{valid}");
        }
        let in_a_minute = with("nbf", json!(NOW + 60));
        for wrong in [json!(NOW + LEEWAY_SECS + 1), json!(NOW + 60), json!(i64::MAX), json!(u64::MAX)] {
            assert_eq!(verify(&with("nbf", wrong.clone())), Err(BadToken::Invalid), "{wrong}");
        }
        for wrong in [json!(null), json!(""), json!(NOW.to_string()), json!(1.5e9), json!(true), json!([NOW]), json!({})] {
            assert_eq!(verify(&with("nbf", wrong.clone())), Err(BadToken::Invalid), "{wrong}");
        }
        let token = signed(&Header::new(Algorithm::HS256), &in_a_minute);
        let at = |secs: i64| Timestamp::from_millis((NOW + secs) * 1000);
        assert_eq!(tokens().verify(&token, at(60 - LEEWAY_SECS - 1)), Err(BadToken::Invalid));
        assert!(tokens().verify(&token, at(60 - LEEWAY_SECS)).is_ok());
    }

    #[test]
    fn another_key_or_a_changed_character_is_rejected() {
        let token = encode(&Header::new(Algorithm::HS256), &good_claims(), &EncodingKey::from_secret(&[7; 32])).unwrap();
        assert_eq!(tokens().verify(&token, now()), Err(BadToken::Invalid));
        let token = signed(&Header::new(Algorithm::HS256), &good_claims());
        for wrong in [token[1..].to_owned(), format!("{token}A"), token.replace('.', ""), format!("{token}.x"), "a".repeat(MAX_LEN + 1)] {
            assert_eq!(tokens().verify(&wrong, now()), Err(BadToken::Invalid), "{wrong}");
        }
    }

    #[test]
    fn a_role_in_the_token_is_ignored() {
        let mut claims = good_claims();
        let without = verify(&claims);
        claims["role"] = json!("admin");
        assert!(without.is_ok());
        assert_eq!(verify(&claims), without);
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_never_a_token_and_never_panics(text in ".{0,300}") {
            prop_assert!(tokens().verify(&text, now()).is_err());
        }
    }
}
