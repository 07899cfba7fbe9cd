//! Random streams, names and times of another tenant.

use std::collections::HashSet;

use vivarium::{FunctionSource, Module};
use vivarium_sandbox::Sandbox;

use crate::case::{Case, ensure, host, neighbours};
use crate::world::{Attempt, tenant};

pub const CASES: &[Case] = &[
    host("guessing another's random stream", |attempt| {
        Box::pin(async move {
            let source = "
import os, random, secrets, uuid, tempfile
import numpy
result = [random.random(), random.getrandbits(128), os.urandom(16), secrets.token_hex(), uuid.uuid4().hex, numpy.random.random(),
          numpy.random.default_rng().random(), random.SystemRandom().random(), next(tempfile._get_candidate_names())]
";
            let mut seen = HashSet::new();
            for number in 0..4 {
                let other = tenant(&format!("{}-{number}", attempt.tenant.id()), &Default::default());
                let mut sandbox = Sandbox::start(&attempt.world.image, &attempt.config_of(&other)).await.map_err(|error| error.to_string())?;
                let reply = sandbox.control(&serde_json::json!({"op": "eval", "source": source})).await;
                let value = reply.map_err(|error| error.to_string())?["value"].as_str().unwrap_or_default().to_owned();
                for part in value.trim_matches(['[', ']']).split(", ") {
                    ensure(seen.insert(part.to_owned()), || format!("two tenants saw {part}"))?;
                }
            }
            ensure(seen.len() == 4 * 9, || format!("{} values", seen.len()))
        })
    })
    .so("no two tenants see the same number")
    .by("every instance gets a seed of its own from the operating system"),
    host("learning the hash secret", |attempt| {
        Box::pin(async move {
            let other = Attempt { tenant: tenant(&format!("{}-victim", attempt.tenant.id()), &Default::default()), ..attempt.clone() };
            let request = serde_json::json!({"op": "eval", "source": "result = [hash(str(n)) for n in range(100)]"});
            let mut hashes = Vec::new();
            for attempt in [&attempt, &other] {
                let reply = attempt.sandbox().await?.control(&request).await.map_err(|error| error.to_string())?;
                hashes.push(reply["value"].to_string());
            }
            ensure(hashes[0] == hashes[1], || "hashes differ: the threat model says that the secret is the image's".to_owned())
        })
    })
    .so("every tenant knows it: it is the image's and no secret (see the threat model)")
    .by("colliding keys end at `Limits::batch_time` of whoever uses them"),
    host("modules of equal names", |attempt| {
        Box::pin(async move {
            let load = async |attempt: &Attempt, source: &str| {
                let source = FunctionSource::inline("shared.py", source);
                Module::load(&attempt.world.image, attempt.config(), source).await.map_err(|error| error.to_string())
            };
            let other = Attempt { tenant: tenant(&format!("{}-victim", attempt.tenant.id()), &Default::default()), ..attempt.clone() };
            let first = load(&attempt, "def f(x: int) -> int: return 666\ndef secret(x: int) -> int: return 1\n").await?;
            let second = load(&other, "import sys\nassert not hasattr(sys.modules[__name__], 'secret')\ndef f(x: int) -> int: return x\n").await?;
            ensure(first.signatures().len() == 2 && second.signatures().len() == 1, || "functions are shared".to_owned())
        })
    })
    .so("each tenant has its own module")
    .by("every instance starts from the image and serves one task"),
    neighbours("how much of `/tmp` others use", "open('/tmp/x', 'wb').write(bytes(6 << 20))", "open('/tmp/x', 'wb').write(bytes(6 << 20)); import os; result = os.stat('/tmp/x').st_ino", "2"),
    neighbours("how many files others have made, by inode numbers", "import os; [open(f'/tmp/{n}', 'w').close() for n in range(100)]", "import os; open('/tmp/x', 'w').close(); result = os.stat('/tmp/x').st_ino", "2"),
    neighbours("how long others have run, by processor clocks", "sum(range(10 ** 6))", "import time; result = time.process_time() < 60", "True"),
    neighbours("which memory others use, by addresses", "kept = [bytes(1000) for _ in range(1000)]", "result = id(object()) < 1 << 28", "True"),
];
