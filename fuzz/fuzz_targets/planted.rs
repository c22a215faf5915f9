//! Mistakes by name, to see that a fuzzer's failures are reported: see run_fuzzers.py.
#![no_main]
use std::{
    hint, mem,
    process::{self, Command},
    thread,
    time::Duration,
};

libfuzzer_sys::fuzz_target!(init: {
    if std::env::var_os("FUZZ_STARTS_BADLY").is_some() {
        process::exit(1);
    }
}, |data: &[u8]| {
    match data {
        b"panics" => panic!("a panic"),
        b"overruns" => {
            let bytes = hint::black_box(data.to_vec());
            // SAFETY: none; this is the mistake.
            hint::black_box(unsafe { bytes.as_ptr().add(bytes.len()).read_volatile() });
        }
        b"leaks" => mem::forget(hint::black_box(data.to_vec())),
        b"spins" => loop {
            hint::spin_loop();
        },
        b"is_killed" => {
            let _ = Command::new("kill").args(["-KILL", &process::id().to_string()]).status();
        }
        b"sleeps" => thread::sleep(Duration::from_secs(3)),
        _ => {}
    }
});
