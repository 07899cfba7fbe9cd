//! Extension modules, NumPy's for one, look libpython's symbols up in the program.

fn main() {
    println!("cargo:rustc-link-arg-bins=-rdynamic");
    for library in ["m", "dl", "util"] {
        println!("cargo:rustc-link-arg-bins=-l{library}");
    }
}
