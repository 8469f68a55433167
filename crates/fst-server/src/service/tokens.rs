//! Signing in: a challenge, a signature by the device key, a token for ten minutes.
//!
//! Invariant: a challenge is used once, by the device it was made for; a token of a revoked device is refused
//! at once, because every use looks the device up in its account's chain. Not here: headers
//! ([`crate::http`]). Source: docs/design/crypto-format.md §1.8.

use fst_proto::hash::is_signed_by;
use fst_proto::limits;
use fst_proto::text::to_hex;
use fst_proto::time::UnixMillis;
use fst_proto::wire::{self, Challenge, ChallengeRequest, Token, TokenRequest};
use fst_store::cache::{BackOff, Rate};

use super::keys::Claims;
use super::{Caller, Served, Service};
use crate::refusal::Refusal;
use crate::seams;

/// Sign-ins of one device: a burst after a restart, then one a second.
const SIGN_IN: Rate = Rate {
    quota: 60,
    window_ms: 60 * 1000,
};

/// Failed sign-ins of one device, wherever they come from: a few for a clock set back or a server restored, then a wait
/// of at most a minute, so that somebody who knows the id of a device cannot keep it out for long.
const FAILED: BackOff = BackOff {
    free: 5,
    first_ms: 1000,
    cap_ms: 60_000,
    forget_ms: 15 * 60_000,
};

/// What a client key begins with.
const CLIENT_KEY: &str = "fst_ck_";

impl Service {
    /// Makes a nonce for a device to sign.
    ///
    /// A device that does not exist gets one too, which will not work: nobody learns which ids exist.
    /// # Errors
    /// [`Refusal::RateLimited`], [`Refusal::Storage`].
    pub async fn challenge(&self, request: ChallengeRequest) -> Served<Challenge> {
        let nonce: [u8; 32] = seams::bytes(self.random());
        // Before it is looked up: a limit must not tell who exists.
        self.take_token(&format!("challenge:{}", request.device), SIGN_IN)
            .await?;
        let meta = &self.parts.meta;
        if meta.device_account(request.device).await?.is_some() {
            let now = self.clock().now();
            let ends = UnixMillis(now.0 + limits::CHALLENGE_MS);
            let device = request.device.as_bytes().to_vec();
            self.parts
                .cache
                .put_short(&challenge_key(&nonce), device, now, ends)
                .await?;
        }
        Ok(Challenge {
            nonce: nonce.to_vec(),
        })
    }

    /// Gives a token for a signed nonce.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] when the nonce is unknown, used or late, the signature is wrong, or the
    /// device is revoked; [`Refusal::Disabled`]; [`Refusal::Barred`]; [`Refusal::RateLimited`] after failures, for a
    /// device that does not exist as for one that does.
    pub async fn token(&self, request: TokenRequest) -> Served<Token> {
        let who = format!("sign-in:{}", request.device);
        let device = Some(request.device);
        self.guarded((&who, device), FAILED, self.signed_in(request))
            .await
    }

    async fn signed_in(&self, request: TokenRequest) -> Served<Token> {
        const REFUSED: Refusal = Refusal::Unauthorized("the device could not sign in");
        let now = self.clock().now();
        let kept = self
            .parts
            .cache
            .take_short(&challenge_key(&request.nonce), now)
            .await?;
        if kept.as_deref() != Some(request.device.as_bytes()) {
            return Err(REFUSED);
        }
        let account = self
            .parts
            .meta
            .device_account(request.device)
            .await?
            .ok_or(REFUSED)?;
        let chain = self.chain(account).await?;
        let key = chain
            .device_key_at(request.device, chain.len)
            .ok_or(REFUSED)?;
        let message = wire::login_message(request.device, &self.receipt_key(), &request.nonce);
        if !is_signed_by(&key, &message, &request.sig) {
            return Err(REFUSED);
        }
        // Told only to who proved to be this device.
        self.check_enabled(account).await?;
        self.check_admitted(request.device).await?;
        let iat = now.0 / 1000;
        let jti = to_hex(&seams::bytes::<16>(self.random()));
        let exp = iat + limits::TOKEN_SECONDS;
        let claims = Claims {
            sub: request.device,
            acc: account,
            iat,
            exp,
            jti,
        };
        let token = self.keys.encode(&claims);
        let token = token.ok_or(Refusal::Unauthorized("no token could be made"))?;
        Ok(Token {
            token,
            expires_in: limits::TOKEN_SECONDS,
        })
    }

    /// Tells who holds a token.
    ///
    /// # Errors
    /// [`Refusal::ClientKeyOnWire`]; [`Refusal::Unauthorized`] when it is forged, over, or its device revoked.
    pub async fn verify_token(&self, token: &str) -> Served<Caller> {
        if token.contains(CLIENT_KEY) {
            return Err(Refusal::ClientKeyOnWire);
        }
        let claims = self.keys.decode(token);
        let claims = claims.ok_or(Refusal::Unauthorized("the token is not valid"))?;
        if self.clock().now().0 / 1000 >= claims.exp {
            return Err(Refusal::Unauthorized("the token is over"));
        }
        let caller = Caller {
            device: claims.sub,
            account: claims.acc,
        };
        self.check_device(caller).await?;
        Ok(caller)
    }

    /// Checks that a device is still part of its account.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] when it is revoked or unknown; [`Refusal::Disabled`]; [`Refusal::Barred`].
    pub async fn check_device(&self, caller: Caller) -> Served<()> {
        const REVOKED: Refusal = Refusal::Unauthorized("the device is not part of the account");
        let chain = match self.chain(caller.account).await {
            Err(Refusal::NotFound(_)) => return Err(REVOKED),
            other => other?,
        };
        chain
            .device_key_at(caller.device, chain.len)
            .ok_or(REVOKED)?;
        self.check_enabled(caller.account).await?;
        self.check_admitted(caller.device).await
    }

    /// True when a text carries a client key, which must never be sent.
    #[must_use]
    pub fn is_client_key(text: &str) -> bool {
        text.contains(CLIENT_KEY)
    }
}

fn challenge_key(nonce: &[u8]) -> String {
    format!("challenge:{}", to_hex(nonce))
}
