//! The store: one tree for the same inputs, however many ask, and nothing half made. What several processes do to it is
//! tested through `wasm-run` (`env_processes`).

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use support::Place;
use support::archives::{ZipEntry, zip};
use vivarium_env::{
    CollectPolicy, EnvironmentSettings, PythonArchive, PythonDependencyInfo, PythonEnvironmentManager, PythonFile,
    Store, TenantId,
};

fn everything() -> CollectPolicy {
    CollectPolicy::default().with_max_age(Duration::MAX).with_max_bytes(0)
}

fn settings(place: &Place, tenant: &str) -> Arc<EnvironmentSettings> {
    let store = Store::open(place.path("store")).unwrap();
    Arc::new(place.settings().with_store(Some(Arc::new(store))).with_tenant(TenantId::new(tenant).unwrap()))
}

fn inputs(place: &Path) -> PythonDependencyInfo {
    PythonDependencyInfo::default()
        .with_python_files(vec![PythonFile::new(place.join("m.py"), "m.py"), PythonFile::new(place.join("d"), "d")])
        .with_archives(vec![PythonArchive::new(place.join("a.zip"), "a.zip")])
}

fn place_with_inputs() -> Place {
    let place = Place::new();
    place.write("m.py", "X = 1\n");
    place.write("d/n.py", "Y = 1\n");
    let many: Vec<ZipEntry> = (0..50).map(|index| ZipEntry::file(format!("f{index}"), vec![b'x'; 1000])).collect();
    place.write("a.zip", zip(&many));
    place
}

fn open(place: &Place, tenant: &str, job: &str) -> PythonEnvironmentManager {
    let job = place.job_named(job);
    let mut manager = PythonEnvironmentManager::new(inputs(&place.path("")), settings(place, tenant), job);
    manager.open().unwrap();
    manager
}

fn key(manager: &PythonEnvironmentManager) -> String {
    manager.create_environment().unwrap().key().unwrap().to_owned()
}

fn tree(manager: &PythonEnvironmentManager) -> std::path::PathBuf {
    manager.create_environment().unwrap().host_path().to_owned()
}

#[test]
fn jobs_of_one_tenant_share_a_tree_and_tenants_do_not() {
    let place = place_with_inputs();
    let (first, second, other) = (open(&place, "a", "1"), open(&place, "a", "2"), open(&place, "b", "1"));
    assert_eq!(tree(&first), tree(&second));
    assert_ne!(tree(&first), tree(&other));
    assert!(tree(&other).join("python-archives/a.zip/f49").exists());
    assert!(place.leftovers().is_empty());
}

#[test]
fn any_change_of_content_name_or_mode_makes_another_tree() {
    let place = place_with_inputs();
    let mut keys = vec![key(&open(&place, "a", "1"))];
    place.write("m.py", "X = 2\n");
    keys.push(key(&open(&place, "a", "2")));
    place.write("d/n.py", "Y = 2\n");
    keys.push(key(&open(&place, "a", "3")));
    std::fs::rename(place.path("d/n.py"), place.path("d/o.py")).unwrap();
    keys.push(key(&open(&place, "a", "4")));
    std::fs::set_permissions(place.path("d/o.py"), std::fs::Permissions::from_mode(0o755)).unwrap();
    keys.push(key(&open(&place, "a", "5")));
    let mut renamed = inputs(&place.path(""));
    renamed.archives[0].target = "t".into();
    let mut manager = PythonEnvironmentManager::new(renamed, settings(&place, "a"), place.job());
    manager.open().unwrap();
    keys.push(key(&manager));
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

/// What earlier versions stored is found: a tenant's folder is the first half of its name's BLAKE3.
#[test]
fn a_tenants_folder_is_the_hash_of_its_name() {
    let place = Place::new();
    let store = Store::open(place.path("store")).unwrap();
    for (tenant, folder) in
        [("default", "f78761cf8c3621e851097dff9a4b0463"), ("acme", "bb7fdb40e0deec734b06f04f72c90df3")]
    {
        store.tenant(&TenantId::new(tenant).unwrap()).unwrap();
        assert!(place.path("store").join("v1").join(folder).is_dir(), "{tenant}");
    }
}

#[test]
fn a_tree_in_use_is_not_collected_and_an_unused_one_is() {
    let place = place_with_inputs();
    let mut first = open(&place, "a", "1");
    let mut second = open(&place, "a", "2");
    let (path, key) = (tree(&first), key(&first));
    let store = Store::open(place.path("store")).unwrap().tenant(&TenantId::new("a").unwrap()).unwrap();
    let listed = store.list().unwrap();
    assert_eq!((listed.len(), &listed[0].key, listed[0].in_use), (1, &key, true));
    assert_eq!(listed[0].bytes, 50 * 1000 + 12);
    first.close();
    assert_eq!(store.collect(&everything()).unwrap().kept, 1);
    assert!(!store.remove(&key).unwrap());
    assert!(path.exists());
    second.close();
    assert_eq!(store.collect(&CollectPolicy::default()).unwrap().kept, 1);
    let collected = store.collect(&everything()).unwrap();
    assert_eq!((collected.removed, collected.freed_bytes, collected.kept), (vec![key.clone()], 50_012, 0));
    assert!(!path.exists());
    let again = open(&place, "a", "3");
    assert_eq!(self::key(&again), key);
}

#[test]
fn a_failure_leaves_nothing_half_made() {
    let place = place_with_inputs();
    let entries = [ZipEntry::file("ok", "x"), ZipEntry::file("../up", "x")];
    place.write("a.zip", zip(&entries));
    let mut manager = PythonEnvironmentManager::new(inputs(&place.path("")), settings(&place, "a"), place.job());
    assert!(manager.open().is_err());
    let store = Store::open(place.path("store")).unwrap().tenant(&TenantId::new("a").unwrap()).unwrap();
    assert!(store.list().unwrap().is_empty());
    assert_eq!(files_below(&place.path("store"), "making"), 0);
}

#[test]
fn a_damaged_tree_is_made_again() {
    let place = place_with_inputs();
    let path = {
        let manager = open(&place, "a", "1");
        tree(&manager)
    };
    // As after a power failure: the manifest is of an earlier boot, and a file lost its content.
    let manifest = path.parent().unwrap().join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    std::fs::write(&manifest, text.replace(boot.trim(), "earlier")).unwrap();
    let lost = path.join("python-archives/a.zip/f7");
    std::fs::write(&lost, "").unwrap();
    drop(open(&place, "a", "2"));
    assert_eq!(std::fs::read(&lost).unwrap().len(), 1000);
    // An intact tree of an earlier boot is kept.
    std::fs::write(&manifest, std::fs::read_to_string(&manifest).unwrap().replace(boot.trim(), "earlier")).unwrap();
    drop(open(&place, "a", "3"));
    assert!(std::fs::read_to_string(&manifest).unwrap().contains(boot.trim()));
}

#[test]
fn a_root_that_others_can_write_is_refused() {
    let place = Place::new();
    let root = place.path("open");
    std::fs::create_dir(&root).unwrap();
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = Store::open(&root).unwrap_err().to_string();
    assert!(error.contains("may be written by other users") && error.contains("has mode 0777"), "{error}");
    let below = root.join("store");
    assert!(Store::open(&below).unwrap_err().to_string().contains("has mode 0777"));
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
    Store::open(&below).unwrap();
    assert_eq!(below.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let file = place.write("file", "");
    assert!(Store::open(file).is_err());
}

#[test]
fn threads_that_open_one_job_at_once_share_a_base_directory() {
    let place = place_with_inputs();
    let barrier = std::sync::Barrier::new(4);
    let managers: Vec<PythonEnvironmentManager> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut manager = place.manager(inputs(&place.path("")));
                    barrier.wait();
                    manager.open().unwrap();
                    manager
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let base = tree(&managers[0]);
    assert!(managers.iter().all(|manager| tree(manager) == base));
    let mut rest = managers;
    let last = rest.pop().unwrap();
    drop(rest);
    assert!(base.exists());
    let mut different = inputs(&place.path(""));
    different.python_files.pop();
    let error = place.manager(different).open().unwrap_err().to_string();
    assert!(error.contains("other Python dependencies"), "{error}");
    drop(last);
    assert!(!base.exists());
}

#[test]
fn what_a_dead_process_left_half_made_is_removed() {
    let place = place_with_inputs();
    drop(open(&place, "default", "1"));
    let tenant = std::fs::read_dir(place.path("store/v1")).unwrap().next().unwrap().unwrap().path();
    std::fs::create_dir_all(tenant.join("making/0123/tree/python-files")).unwrap();
    std::fs::write(tenant.join("making/0123/tree/python-files/half"), "made").unwrap();
    // A tree that some process is making is locked, and stays.
    std::fs::create_dir_all(tenant.join("making/4567/tree")).unwrap();
    let lock = std::fs::File::create(tenant.join("locks/4567")).unwrap();
    lock.lock().unwrap();
    drop(open(&place, "default", "2"));
    assert_eq!(files_below(&place.path("store"), "making"), 1);
    drop(lock);
    drop(open(&place, "default", "3"));
    assert_eq!(files_below(&place.path("store"), "making"), 0);
    assert_eq!(files_below(&place.path("store"), "entries"), 1);
}

/// Entries of the directory `part` of every tenant.
fn files_below(store: &Path, part: &str) -> usize {
    let tenants = std::fs::read_dir(store.join("v1")).unwrap();
    tenants.map(|tenant| std::fs::read_dir(tenant.unwrap().path().join(part)).unwrap().count()).sum()
}

#[test]
fn a_tenants_trees_stay_within_its_quota() {
    let place = Place::new();
    let open = |name: &str, quota: u64| {
        let file = place.write(name, vec![b'x'; 1000]);
        let info = PythonDependencyInfo::default().with_python_files(vec![PythonFile::new(file, name)]);
        let settings = (*settings(&place, "a")).clone().with_store_bytes(quota);
        let job = place.job_named(name);
        let mut manager = PythonEnvironmentManager::new(info, Arc::new(settings), job);
        manager.open().map(|()| manager)
    };
    let stored =
        || Store::open(place.path("store")).unwrap().tenant(&TenantId::new("a").unwrap()).unwrap().list().unwrap();
    let (first, second) = (open("a.py", 2500).unwrap(), open("b.py", 2500).unwrap());
    // Both are in use.
    let error = open("c.py", 2500).unwrap_err().to_string();
    assert!(error.contains("does not fit") && error.contains("2500"), "{error}");
    assert_eq!(stored().len(), 2, "nothing of it stays behind");
    let kept = key(&second);
    drop(first);
    let third = open("c.py", 2500).unwrap();
    let keys: Vec<_> = stored().into_iter().map(|environment| environment.key).collect();
    assert_eq!(keys.len(), 2);
    assert!(keys.contains(&kept) && keys.contains(&key(&third)), "what nobody used made room");
    // Another tenant has a quota of its own, and one that is too large for it alone is refused.
    assert!(open("d.py", 999).unwrap_err().to_string().contains("does not fit"));
}
