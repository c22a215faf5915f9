//! What two ends demand of each other, and then demand instead: a session of a connection under the first demands is offered
//! under the second. Whoever a full handshake accepts a resumed one accepts, and nobody else; and equal demands accept the
//! same peers at any time, whatever contexts are kept of earlier ones.
#![no_main]
use bglssl_fuzz::{
    sockets::*,
    wire::{End, IO, user},
    *,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    ffi::{CString, c_char, c_void},
    ptr,
    rc::Rc,
    sync::{Mutex, OnceLock},
};

unsafe extern "C" {
    fn bgl_ssl_ticket_keys_new(period: i64) -> Handle;
    fn bgl_ssl_certificate_pin(certificate: Handle, buf: *mut u8, size: usize) -> usize;
    fn bgl_ssl_config_freeze(config: Handle) -> i32;
    fn bgl_ssl_config_set_ca_mem(config: Handle, pem: *const c_void, len: usize) -> i32;
    fn bgl_ssl_config_set_certificate_mem(
        config: Handle,
        chain: *const c_void,
        chain_len: usize,
        key: *const c_void,
        key_len: usize,
        pass: *const c_char,
    ) -> i32;
    fn bgl_ssl_config_insecure_verify_chain_only(config: Handle) -> i32;
    fn bgl_ssl_config_insecure_verify_none(config: Handle) -> i32;
    fn bgl_ssl_config_set_accepted_certificates(config: Handle, list: *const Handle, count: usize) -> i32;
    fn bgl_ssl_config_set_client_certificate(config: Handle, mode: i32) -> i32;
    fn bgl_ssl_config_add_pins(config: Handle, pins: *const c_char) -> i32;
    fn bgl_ssl_config_set_verify_depth(config: Handle, depth: i32) -> i32;
    fn bgl_ssl_config_set_verify_time(config: Handle, seconds: i64) -> i32;
    fn bgl_ssl_config_set_verify_flags(config: Handle, flags: u32) -> i32;
    fn bgl_ssl_config_add_crls(config: Handle, data: *const c_void, len: usize, format: i32) -> i32;
    fn bgl_ssl_config_set_crl_policy(config: Handle, policy: i32) -> i32;
    fn bgl_ssl_config_set_security_level(config: Handle, level: i32) -> i32;
    fn bgl_ssl_config_set_signature_algorithms(config: Handle, list: *const c_char) -> i32;
    fn bgl_ssl_config_set_groups(config: Handle, list: *const c_char) -> i32;
    fn bgl_ssl_config_set_cipher_list(config: Handle, list: *const c_char) -> i32;
    fn bgl_ssl_config_set_staple_policy(config: Handle, policy: i32) -> i32;
    fn bgl_ssl_config_set_staple(config: Handle, response: *const c_void, len: usize) -> i32;
    fn bgl_ssl_config_set_ticket_keys(config: Handle, keys: Handle) -> i32;
}

/// Both ends' demands: each byte is a choice, the first ones the client's.
type Demands = [u8; CLIENTS + SERVERS];
const CLIENTS: usize = 17;
const SERVERS: usize = 13;
/// What is no demand, but what an end is: its certificate, and a server's staple. A session speaks for the one that was there.
const IDENTITIES: [usize; 3] = [16, 27, 29];

const CAS: [&str; 6] = ["root", "root2", "idle-root", "root-rejected", "root-for-servers", "root"];
const SERVERS_IDENTITIES: [&str; 8] =
    ["good", "good-rsa", "wrong-name", "expired", "revoked", "chained", "untrusted", "server-purpose"];
const CLIENTS_IDENTITIES: [&str; 5] = ["client", "client-rsa", "client-expired", "client-untrusted", "client2"];

/// A file of the PKI, which is read once.
fn file(name: &str) -> &'static [u8] {
    static FILES: Mutex<BTreeMap<String, &[u8]>> = Mutex::new(BTreeMap::new());
    FILES.lock().expect("the files").entry(name.to_string()).or_insert_with(|| pki(name).leak())
}

fn certificate(name: &str) -> Handle {
    let pem = file(&format!("{name}.pem"));
    // SAFETY: the length is the slice's.
    unsafe { bgl_ssl_certificate_from_mem(pem.as_ptr(), pem.len(), 0) }
}

/// A config that is made of choices.
struct Making<'a> {
    config: Handle,
    choices: std::slice::Iter<'a, u8>,
}

impl Making<'_> {
    fn new(choices: &[u8]) -> Making<'_> {
        // SAFETY: it gives a new one.
        Making { config: unsafe { bgl_ssl_config_new() }, choices: choices.iter() }
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[usize::from(*self.choices.next().expect("a choice")) % values.len()]
    }

    fn text(&mut self, set: unsafe extern "C" fn(Handle, *const c_char) -> i32, values: &[&str]) {
        let value = self.of(values);
        if !value.is_empty() {
            let value = CString::new(value).expect("a text");
            // SAFETY: the config is live.
            assert_eq!(unsafe { set(self.config, value.as_ptr()) }, 0);
        }
    }

    /// What both ends may demand.
    fn demand(&mut self, accepted: &[&str], pinned: &[&str]) {
        // SAFETY: the config is live; the lengths are those of what they are given for; each handle is freed once.
        unsafe {
            let ca = file(&format!("{}.pem", self.of(&CAS)));
            assert_eq!(bgl_ssl_config_set_ca_mem(self.config, ca.as_ptr().cast(), ca.len()), 0);
            let accepted = self.of(accepted);
            if !accepted.is_empty() {
                let accepted = certificate(accepted);
                assert_eq!(bgl_ssl_config_set_accepted_certificates(self.config, &accepted, 1), 0);
                bgl_ssl_certificate_free(accepted);
            }
            let pinned = self.of(pinned);
            if !pinned.is_empty() {
                let (pinned, mut pin) = (certificate(pinned), [0; 64]);
                bgl_ssl_certificate_pin(pinned, pin.as_mut_ptr(), pin.len());
                assert_eq!(bgl_ssl_config_add_pins(self.config, pin.as_ptr().cast()), 0);
                bgl_ssl_certificate_free(pinned);
            }
            assert_eq!(bgl_ssl_config_set_verify_depth(self.config, self.of(&[-1, -1, 0, 1])), 0);
            assert_eq!(bgl_ssl_config_set_verify_time(self.config, self.of(&[0, 0, 1, 4_102_444_800])), 0);
            assert_eq!(bgl_ssl_config_set_verify_flags(self.config, self.of(&[0, 0, 1, 2])), 0);
            let crl_policy = self.of(&[0, 0, 1, 2, 1 + 16, 2 + 16]);
            if crl_policy != 0 {
                let crl = file("root.crl");
                assert_eq!(bgl_ssl_config_add_crls(self.config, crl.as_ptr().cast(), crl.len(), 0), 0);
                assert_eq!(bgl_ssl_config_set_crl_policy(self.config, crl_policy), 0);
            }
            let level = self.of(&[-1, -1, 1, 2, 3]);
            if level >= 0 {
                assert_eq!(bgl_ssl_config_set_security_level(self.config, level), 0);
            }
            let protocol = self.of(&[0, 0, TLS_1_2, TLS_1_3]);
            if protocol != 0 {
                assert_eq!(bgl_ssl_config_set_protocol(self.config, protocol), 0);
            }
            let alpn = self.of(&[None, None, Some(c"h2".as_ptr()), Some(c"imap".as_ptr())]);
            if let Some(name) = alpn {
                assert_eq!(bgl_ssl_config_set_alpn(self.config, &name, 1), 0);
            }
        }
    }

    fn present(&mut self, name: &str) {
        let (chain, key) = (file(&format!("{name}.pem")), file(&format!("{name}.key")));
        let (chain, chain_len, key, key_len) = (chain.as_ptr().cast(), chain.len(), key.as_ptr().cast(), key.len());
        // SAFETY: the config is live; the lengths are the slices'.
        let status =
            unsafe { bgl_ssl_config_set_certificate_mem(self.config, chain, chain_len, key, key_len, ptr::null()) };
        assert_eq!(status, 0, "{name}");
    }

    /// The config, frozen; None if it contradicts itself.
    fn done(self) -> Option<Config> {
        let config = Config(self.config);
        // SAFETY: the config is live.
        unsafe {
            assert_eq!(bgl_ssl_config_set_lazy_handshake(config.0, true), 0);
            (bgl_ssl_config_freeze(config.0) == 0).then_some(config)
        }
    }
}

struct Config(Handle);

impl Drop for Config {
    fn drop(&mut self) {
        // SAFETY: it is freed once.
        unsafe { bgl_ssl_config_free(self.0) }
    }
}

fn client(choices: &[u8]) -> Option<Config> {
    let mut it = Making::new(choices);
    it.demand(&["", "", "good", "good-rsa"], &["", "", "good", "root", "good-rsa"]);
    // SAFETY: the config is live.
    unsafe {
        assert_eq!(
            match it.of(&[0, 0, 1, 2]) {
                1 => bgl_ssl_config_insecure_verify_chain_only(it.config),
                2 => bgl_ssl_config_insecure_verify_none(it.config),
                _ => 0,
            },
            0
        );
        it.text(
            bgl_ssl_config_set_hostname,
            &["localhost", "localhost", "other.test", "server-purpose", "127.0.0.1"],
        );
        assert_eq!(bgl_ssl_config_set_staple_policy(it.config, it.of(&[1, 1, 2, 0])), 0);
    }
    it.text(bgl_ssl_config_set_signature_algorithms, &["", "", "ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256"]);
    it.text(bgl_ssl_config_set_groups, &["", "", "X25519", "P-256"]);
    it.text(bgl_ssl_config_set_cipher_list, &["", "", "ECDHE-ECDSA-AES128-GCM-SHA256", "AES256"]);
    let identity = it.of(&[9, 9, 0, 0, 1, 2, 3, 4]);
    if let Some(name) = CLIENTS_IDENTITIES.get(identity) {
        it.present(name);
    }
    it.done()
}

fn server(choices: &[u8]) -> Option<Config> {
    static KEYS: OnceLock<usize> = OnceLock::new();
    let mut it = Making::new(choices);
    it.demand(&["", "", "client", "client2"], &["", "", "client", "root"]);
    let identity = it.of(&SERVERS_IDENTITIES);
    it.present(identity);
    // SAFETY: the config is live, and the keys live as long as the process.
    unsafe {
        assert_eq!(bgl_ssl_config_set_client_certificate(it.config, it.of(&[1, 1, 2, 3])), 0);
        if it.of(&[false, true]) {
            let staple = file("good.ocsp");
            bgl_ssl_config_set_staple(it.config, staple.as_ptr().cast(), staple.len());
        }
        let keys = *KEYS.get_or_init(|| bgl_ssl_ticket_keys_new(0) as usize);
        assert!(keys != 0);
        assert_eq!(bgl_ssl_config_set_ticket_keys(it.config, keys as Handle), 0);
    }
    it.done()
}

/// A connection of both configs, which offers a session. Whether each accepts the other, and its own session.
fn meet(client: &Config, server: &Config, offered: Handle) -> (bool, bool, Handle) {
    let wires = [(); 2].map(|()| Rc::new(RefCell::new(End::default())));
    // SAFETY: the handles are live, and freed once; the buffers have their lengths.
    unsafe {
        let ends = [
            bgl_ssl_upgrade_client_io(client.0, &IO, user(&wires[0]), ptr::null(), 0),
            bgl_ssl_upgrade_server_io(server.0, &IO, user(&wires[1]), 0),
        ];
        assert!(ends.iter().all(|end| !end.is_null()), "{:?}", std::ffi::CStr::from_ptr(bgl_ssl_error_string()));
        if !offered.is_null() {
            assert_eq!(bgl_ssl_socket_set_session(ends[0], offered), 0);
        }
        let (mut written, mut read) = ([false; 2], [false; 2]);
        for _ in 0..8 {
            for this in [0, 1] {
                let (mut byte, mut n) = (0, 0);
                if !written[this] {
                    written[this] = bgl_ssl_socket_write(ends[this], &7, 1, &mut n) == 0;
                }
                read[this] |= bgl_ssl_socket_read(ends[this], &mut byte, 1, &mut n) == 0 && n == 1;
                carry(&wires[this], &wires[1 - this]);
            }
        }
        let accepted = read == [true; 2];
        let reused = bgl_ssl_socket_session_reused(ends[0]);
        let session = if accepted { bgl_ssl_socket_session(ends[0]) } else { ptr::null_mut() };
        ends.iter().for_each(|end| bgl_ssl_socket_free(*end));
        (accepted, reused, session)
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((before, mut changes)) = data.split_first_chunk::<{ CLIENTS + SERVERS }>() else { return };
    let mut after: Demands = *before;
    while let [place, value, more @ ..] = changes {
        let place = usize::from(*place) % after.len();
        if !IDENTITIES.contains(&place) {
            after[place] = *value;
        }
        changes = more;
    }
    let [first, second] = [*before, after].map(|demands| {
        let (clients, servers) = demands.split_at(CLIENTS);
        client(clients).zip(server(servers))
    });
    let (Some(first), Some(second)) = (first, second) else { return };
    let (_, reused, session) = meet(&first.0, &first.1, ptr::null_mut());
    assert!(!reused);
    let (resumed, reused, next) = meet(&second.0, &second.1, session);
    let (full, _, last) = meet(&second.0, &second.1, ptr::null_mut());
    for session in [session, next, last] {
        // SAFETY: each is freed once.
        unsafe { bgl_ssl_session_free(session) };
    }
    assert_eq!(resumed, full, "another verdict with a session, which was resumed: {reused}");
    thread_local!(static VERDICTS: RefCell<HashMap<Demands, bool>> = RefCell::default());
    VERDICTS.with_borrow_mut(|verdicts| {
        assert_eq!(*verdicts.entry(after).or_insert(full), full, "another verdict than before");
    });
});
