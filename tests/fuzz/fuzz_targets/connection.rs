#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    pluginmind_fuzz::targets::connection::run(data);
});
