//! The environments that are kept: listing and removing them.

use std::io::{self, Write};
use std::time::SystemTime;

use serde_json::json;
use vivarium_env::{CollectPolicy, EnvironmentError, StoredEnvironment, TenantStore};
use vivarium_sandbox::format_size;

use super::{Gc, List, Remove};
use crate::environment::tenant_store;
use crate::failure::{Failure, written};
use crate::table::TableWriter;

/// Digits of a key that are enough to name an environment.
const SHORT_KEY: usize = 8;

pub fn list(command: &List) -> Result<(), Failure> {
    let environments = listed(&tenant_store(&command.store)?)?;
    let mut out = io::stdout().lock();
    if command.messages.json {
        let entries: Vec<_> = environments
            .iter()
            .map(|one| {
                let last_used = one.last_used.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
                json!({"key": one.key, "files": one.entries, "bytes": one.bytes, "last_used": last_used, "in_use": one.in_use})
            })
            .collect();
        let text = serde_json::to_string_pretty(&entries).map_err(Failure::internal)?;
        return written(writeln!(out, "{text}"));
    }
    if environments.is_empty() {
        return written(writeln!(out, "no environments"));
    }
    let rows: Vec<_> = environments.iter().map(row).collect();
    let mut table = TableWriter::new(out, &["key", "files", "size", "last used", "in use"]);
    written(table.rows(&rows).and_then(|()| table.finish().map(drop)))
}

pub fn remove(command: &Remove) -> Result<(), Failure> {
    let store = tenant_store(&command.store)?;
    let environments = listed(&store)?;
    for wanted in &command.keys {
        let environment = find(&environments, wanted)?;
        if !store.remove(&environment.key).map_err(EnvironmentError::from)? {
            return Err(Failure::environment(format!(
                "environment {wanted} is in use; end the commands that use it and try again"
            )));
        }
        if command.messages.json {
            written(writeln!(io::stdout(), "{}", json!({"removed": environment.key, "bytes": environment.bytes})))?;
        } else if !command.messages.quiet {
            let line = format!("removed {} ({})", environment.key, format_size(environment.bytes));
            written(writeln!(io::stdout(), "{line}"))?;
        }
    }
    Ok(())
}

pub fn collect(command: &Gc) -> Result<(), Failure> {
    let policy = CollectPolicy::default().with_max_age(command.max_age).with_max_bytes(command.max_size);
    let collected = tenant_store(&command.store)?.collect(&policy).map_err(EnvironmentError::from)?;
    let mut out = io::stdout().lock();
    if command.messages.json {
        let report =
            json!({"removed": collected.removed, "freed_bytes": collected.freed_bytes, "kept": collected.kept});
        return written(writeln!(out, "{report}"));
    }
    if command.messages.quiet {
        return Ok(());
    }
    let (removed, freed) = (collected.removed.len(), format_size(collected.freed_bytes));
    written(writeln!(out, "{removed} environments removed ({freed}), {} kept", collected.kept))
}

fn listed(store: &TenantStore) -> Result<Vec<StoredEnvironment>, Failure> {
    Ok(store.list().map_err(EnvironmentError::from)?)
}

/// The environment of that key, or of a key that begins so.
fn find<'a>(environments: &'a [StoredEnvironment], wanted: &str) -> Result<&'a StoredEnvironment, Failure> {
    let mut found = environments.iter().filter(|one| one.key.starts_with(wanted));
    match (found.next(), found.next()) {
        (Some(one), None) if wanted.len() >= SHORT_KEY => Ok(one),
        (Some(_), None) => Err(Failure::usage(format!("{wanted}: give at least {SHORT_KEY} digits of a key"))),
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("several environments begin with {wanted}; give more digits")))
        }
        (None, _) => Err(Failure::environment(format!(
            "there is no environment {wanted}; `wasm-run env list` shows all of them"
        ))),
    }
}

fn row(environment: &StoredEnvironment) -> Vec<String> {
    let age = SystemTime::now().duration_since(environment.last_used).unwrap_or_default().as_secs();
    let ago = match age {
        0..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", age / 60),
        3_600..86_400 => format!("{} h ago", age / 3_600),
        _ => format!("{} d ago", age / 86_400),
    };
    vec![
        environment.key.clone(),
        environment.entries.to_string(),
        format_size(environment.bytes),
        ago,
        if environment.in_use { "yes" } else { "no" }.to_owned(),
    ]
}
