//! Some of the packages of `tests/packages` do their main thing in the sandbox: those whose wheels the conformance tests
//! pin, so that this needs nothing that `make test` has not got. All of them: `make packages`.

mod support;

use std::path::Path;

use support::Folder;
use vivarium_guest::ImageStore;

const NAMES: [&str; 6] = ["attrs", "hypothesis", "packaging", "pluggy", "pytest", "sortedcontainers"];

/// Copies the pinned pure Python wheels to `directory`.
async fn wheels(directory: &Path) {
    let store = ImageStore::open().unwrap();
    store.test_trees(&mut |event| eprintln!("{event:?}")).await.unwrap();
    std::fs::create_dir(directory).unwrap();
    for folder in std::fs::read_dir(store.root().join("downloads")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let file = file.unwrap();
            if file.file_name().to_str().unwrap().ends_with("-none-any.whl") {
                std::fs::copy(file.path(), directory.join(file.file_name())).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn packages_do_their_main_thing() {
    let folder = Folder::new();
    wheels(&folder.path("wheels")).await;
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/packages");
    for name in NAMES {
        let script = scripts.join(format!("{name}.py")).display().to_string();
        let options = ["exec", "--quiet", "--offline", "--env-store", "store", "--find-links", "wheels"];
        let ended = folder.run(&[&options[..], &[&script]].concat()).ok();
        assert!(!ended.stdout.is_empty(), "{name}: {ended}");
    }
}
