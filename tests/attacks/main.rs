//! What a hostile tenant may try, one named case each, and what must come of it.
//!
//! Each folder is one thing an attacker wants. A case is a row of a table ([`case::Case`]): its name says the attack, its
//! source or function carries it out, and the typed outcome is what must happen. After every case the runner also looks at
//! the time it took, at the host (variables, working directory, open files, a canary directory), at the tenant's totals
//! (back to zero), and asks a sandbox of another tenant for an answer.
//!
//! ```console
//! $ cargo test --package vivarium --test attacks                     # all of them, and whether docs/attacks.md is theirs
//! $ cargo test --package vivarium --test attacks -- regex            # those whose group or name has this word
//! $ cargo test --package vivarium --test attacks -- --write-docs     # writes docs/attacks.md
//! ```
//!
//! All cases run in one process, some at a time: one runtime, one image, one pool of siblings, as in a server that tenants
//! attack at the same moment.

#[allow(dead_code, reason = "each test program uses its part")]
#[path = "../../crates/vivarium-env/tests/support/archives.rs"]
mod archives;
mod break_itself;
mod case;
mod data_and_declarations;
mod declare_too_much;
mod document;
mod escape;
mod exhaust_the_host;
#[path = "../../crates/vivarium-sandbox/tests/common/mod.rs"]
mod guests;
mod host_state;
mod log_book;
mod modules;
mod outcome;
mod reach_a_neighbour;
mod read_the_host;
mod runner;
mod slow_a_neighbour;
#[allow(dead_code, reason = "each test program uses its part")]
#[path = "../../crates/vivarium-env/tests/support/wheels.rs"]
mod wheels;
mod world;

use std::process::ExitCode;

use case::Group;

/// All cases, by what the attacker wants.
const GROUPS: &[Group] = &[
    escape::GROUP,
    read_the_host::GROUP,
    reach_a_neighbour::GROUP,
    exhaust_the_host::GROUP,
    slow_a_neighbour::GROUP,
    break_itself::GROUP,
    data_and_declarations::GROUP,
    declare_too_much::GROUP,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--write-docs") {
        document::write(GROUPS);
        return ExitCode::SUCCESS;
    }
    runner::run(GROUPS, &arguments)
}
