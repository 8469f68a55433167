//! A genesis of the server's own making: keys that the server knows, wrapped to the account's public key.
//!
//! Everybody can wrap to a public key, so only the owner's signature tells such a genesis from the real one.
//! Invariant: all of it is right but the signature. Source: docs/design/crypto-format.md §1.7, §3.3.

use std::sync::Mutex;

use fst_crypto::account::{AccountKeys, AccountSeed};
use fst_crypto::device::DeviceSecrets;
use fst_crypto::key::{EpochSecret, GenerationSecret, SpaceKeys};
use fst_crypto::random::SecureRandom;
use fst_crypto::space::{FIRST, Owner, create_space};
use fst_crypto::wrap::{self, Wrapped};
use fst_proto::account::{Chain, KEM_X25519};
use fst_proto::control::{Control, Policy, Wrap};
use fst_proto::hash::sha256;
use fst_proto::ids::{AccountId, KemKey, SpaceId};
use fst_proto::log;
use fst_proto::wire::{self, Entry};

use crate::rng::Rng;

/// Secrets that the server chose.
const EPOCH: [u8; 32] = [0xe1; 32];
const GENERATION: [u8; 32] = [0xe2; 32];

/// A first entry for `space` like `genuine`, and the keys behind it, which the server knows.
///
/// # Panics
/// When `genuine` is no genesis.
#[must_use]
pub fn genesis(genuine: &Entry, chain: &Chain, name: &str, rng: &Rng) -> (Entry, SpaceKeys) {
    let mut header = log::decode_header(&genuine.header).expect("a genuine header");
    let space = header.space;
    let random = Scripted::new(space, rng);
    let device = DeviceSecrets::generate(rng);
    let keys = AccountKeys::derive(chain.account, &AccountSeed::from_bytes([0xe3; 32]));
    let owner = Owner {
        keys: &keys,
        device: &device,
        chain_len: chain.len,
        chain_head: chain.head(),
    };
    let new = create_space(&random, &owner, name, Policy::default()).expect("a short name");
    let made = wire::from_canonical(&new.create.commit.payload).ok();
    let made = made.and_then(Control::genesis);
    let mut genesis = made.expect("a genesis just made");
    genesis.wraps = vec![wrap_for(chain.account, chain.kem_key, space, rng)];
    let payload = wire::to_cbor(&Control::Genesis(genesis));
    header.ops[0].meta_hash = Some(sha256(&[&payload]));
    let entry = Entry {
        header: log::encode_header(&header),
        sig: genuine.sig,
        time_ms: genuine.time_ms,
        payload: Some(payload),
    };
    (entry, new.keys)
}

fn wrap_for(account: AccountId, to: KemKey, space: SpaceId, rng: &Rng) -> Wrap {
    let (epoch, generation) = (
        EpochSecret::from_bytes(EPOCH),
        GenerationSecret::from_bytes(GENERATION),
    );
    let info = [
        b"fst/v1/space-key".as_slice(),
        space.as_bytes(),
        &FIRST.to_be_bytes(),
        &FIRST.to_be_bytes(),
        account.as_bytes(),
        sha256(&[to.as_bytes()]).as_bytes(),
    ]
    .concat();
    let commitments = [
        epoch.commitment(space, FIRST).0,
        generation.commitment(space, FIRST).0,
    ];
    let secrets = [EPOCH, GENERATION].concat();
    let sealed = wrap::seal_to(rng, &to, &info, &commitments.concat(), &secrets);
    let Wrapped { enc, sealed } = sealed.expect("the account's key is a good point");
    Wrap {
        account,
        kem_id: KEM_X25519,
        enc,
        sealed,
    }
}

/// Randomness that begins with chosen values: the space's id, then its two secrets.
#[derive(Debug)]
struct Scripted {
    script: Mutex<Vec<Vec<u8>>>,
    rng: Rng,
}

impl Scripted {
    fn new(space: SpaceId, rng: &Rng) -> Self {
        let script = vec![
            GENERATION.to_vec(),
            EPOCH.to_vec(),
            space.as_bytes().to_vec(),
        ];
        Self {
            script: Mutex::new(script),
            rng: rng.clone(),
        }
    }
}

impl SecureRandom for Scripted {
    fn fill(&self, out: &mut [u8]) {
        let next = self.script.lock().ok().and_then(|mut script| script.pop());
        match next {
            Some(bytes) if bytes.len() == out.len() => out.copy_from_slice(&bytes),
            Some(_) | None => self.rng.fill(out),
        }
    }
}
