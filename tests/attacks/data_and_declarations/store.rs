//! The store of environments, asked by many at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use vivarium_env::{CollectPolicy, PythonArchive, PythonDependencyInfo, PythonEnvironmentManager, Store};

use super::{Shipped, names_in};
use crate::archives::{ZipEntry, zip};
use crate::case::{Case, ensure, host};

pub const CASES: &[Case] = &[host("races for one environment, while it is collected and while others fail to make it", |attempt| {
    Box::pin(async move {
        let shipped = Shipped::new(&attempt)?;
        let files: Vec<ZipEntry> =
            (0..50).map(|number| ZipEntry::file(format!("f{number}"), number.to_string())).collect();
        let good = shipped.write("good.zip", &zip(&files))?;
        let bad = shipped.write("bad.zip", &zip(&[&files[..], &[ZipEntry::file("../up", "x")]].concat()))?;
        let store = Store::open(shipped.path("store")).map_err(|error| error.to_string())?;
        let settings = Arc::new(shipped.settings().with_store(Some(Arc::new(store))));
        let race = |number: usize| {
            let archives = vec![PythonArchive::new(if number.is_multiple_of(3) { &bad } else { &good }, "a.zip")];
            let info = PythonDependencyInfo::default().with_archives(archives);
            let job = shipped.job(&number.to_string())?;
            let mut manager = PythonEnvironmentManager::new(info, Arc::clone(&settings), job);
            if number.is_multiple_of(5) {
                let policy = CollectPolicy::default().with_max_age(std::time::Duration::MAX).with_max_bytes(0);
                let store = Store::open(shipped.path("store")).map_err(|error| error.to_string())?;
                let collected = store.tenant(&settings.tenant).and_then(|tenant| tenant.collect(&policy));
                collected.map_err(|error| error.to_string())?;
            }
            match manager.open() {
                Err(_) if number.is_multiple_of(3) => return Ok(()),
                opened => opened.map_err(|error| error.to_string())?,
            };
            let environment = manager.create_environment().map_err(|error| error.to_string())?;
            let folder = environment.host_path().join("python-archives/a.zip");
            let found: BTreeSet<String> = names_in(&folder).into_iter().collect();
            ensure(found.len() == 50, || format!("an environment of {} files", found.len()))?;
            found.iter().try_for_each(|name| {
                let content = std::fs::read_to_string(folder.join(name)).map_err(|error| error.to_string())?;
                ensure(*name == format!("f{content}"), || format!("{name} holds {content}"))
            })
        };
        std::thread::scope(|scope| {
            let racers: Vec<_> = (0..16).map(|number| scope.spawn(move || race(number))).collect();
            racers.into_iter().try_for_each(|racer| racer.join().map_err(|_| "a racer panicked".to_owned())?)
        })?;
        // Nothing is left half made.
        let tenants = names_in(&shipped.path("store")).into_iter().map(|format| shipped.path("store").join(format));
        let making = tenants.flat_map(|format| names_in(&format).into_iter().map(move |tenant| format.join(tenant)));
        let half_made: Vec<String> = making.flat_map(|tenant| names_in(&tenant.join("making"))).collect();
        ensure(half_made.is_empty(), || format!("{half_made:?} is half made"))
    })
})
.so("each gets the whole environment, or its own error")
.by("one makes an environment, behind a lock, beside the store, and it is moved there when it is whole; one in use is not collected")];
