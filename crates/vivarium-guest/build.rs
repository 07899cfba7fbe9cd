//! The recipe is embedded with `include_dir!`, which does not notice new files by itself.

fn main() {
    println!("cargo:rerun-if-changed=wasm-python");
}
