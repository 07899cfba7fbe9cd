//! Memory that is not the instance's, and code that its compiler did not write.

use vivarium_sandbox::{Error, ImageError};

use crate::case::{Case, call, host};
use crate::guests::{ECHO, Guest};
use crate::outcome::Ends;
use crate::world::modules;

const GUARDS: &str = "the whole 32-bit address space and guard pages are reserved for each memory";

/// A guest whose function does this, and the trap that must come of it.
macro_rules! trap {
    ($name:literal, $body:expr, $reason:literal) => {
        host($name, |attempt| {
            Box::pin(async move {
                let guest = Guest { invoke: $body.to_owned(), ..Guest::default() };
                modules::fails(&attempt, guest, |error| matches!(error, Error::Trap { reason, .. } if reason.contains($reason))).await
            })
        })
        .so("the instance crashes and is replaced")
    };
}

pub const CASES: &[Case] = &[
    trap!("module: reading behind the end of memory", "(i32.load (i32.const -4))", "out of bounds").by(GUARDS),
    trap!("module: writing behind the end of memory", "(i32.store (i32.const -4) (i32.const 1)) (i32.const 0)", "out of bounds")
        .by(GUARDS),
    trap!(
        "module: an address and an offset that wrap around",
        "(i32.load offset=4294967295 (i32.const -1))",
        "out of bounds"
    )
    .by(GUARDS),
    trap!(
        "module: copying from behind the end of memory",
        "(memory.copy (i32.const 0) (i32.const 65536) (i32.const -1)) (i32.const 0)",
        "out of bounds"
    )
    .by("bounds are checked before a copy"),
    trap!(
        "module: filling more than memory",
        "(memory.fill (i32.const 1) (i32.const 0) (i32.const -1)) (i32.const 0)",
        "out of bounds"
    )
    .by("bounds are checked before a fill"),
    host("module: calling what is no function of that type", |attempt| {
        Box::pin(async move {
            let guest = Guest {
                declarations: "(type $other (func (param i64) (result f64))) (table 4 funcref) (elem (i32.const 0) func $f) (func $f)"
                    .into(),
                invoke: "(drop (call_indirect (type $other) (i64.const 1) (i32.const 0))) (i32.const 0)".into(),
                ..Guest::default()
            };
            modules::fails(&attempt, guest, |error| matches!(error, Error::Trap { .. })).await
        })
    })
    .so("the instance crashes and is replaced")
    .by("types are checked at each indirect call"),
    host("module: calling behind the end of the table", |attempt| {
        Box::pin(async move {
            let guest = Guest {
                declarations: "(table 4 funcref)".into(),
                invoke: "(call_indirect (i32.const -1)) (i32.const 0)".into(),
                ..Guest::default()
            };
            modules::fails(&attempt, guest, |error| matches!(error, Error::Trap { .. })).await
        })
    })
    .so("the instance crashes and is replaced")
    .by("bounds of tables are checked, also under speculation"),
    host("module: imports beyond WASI", |attempt| {
        Box::pin(async move {
            let guest = Guest { imports: "(import \"env\" \"system\" (func))".into(), ..Guest::default() };
            modules::refused(&attempt, &guest.wat(), |error| matches!(error, ImageError::Import { .. }))
        })
    })
    .so("the image is refused")
    .by("a guest may import `wasi_snapshot_preview1` and nothing else"),
    host("module: features that the engine does not need", |attempt| {
        Box::pin(async move {
            for (feature, declaration) in [
                ("threads", "(memory $shared 1 1 shared)"),
                ("a 64-bit memory", "(memory $wide i64 1)"),
                ("a second memory", "(memory $second 1)"),
                ("garbage collected types", "(type $s (struct (field i32)))"),
                ("exceptions", "(tag $t)"),
                ("a tail call", "(func $t (return_call $t))"),
                ("relaxed vectors", "(func $t (result v128) (i32x4.relaxed_trunc_f32x4_s (v128.const i64x2 0 0)))"),
                ("function references", "(func $t (param (ref func)))"),
            ] {
                let guest = Guest { declarations: declaration.into(), ..Guest::default() };
                let refused = modules::refused(&attempt, &guest.wat(), |error| matches!(error, ImageError::Compile(_)));
                refused.map_err(|error| format!("{feature}: {error}"))?;
            }
            Ok(())
        })
    })
    .so("the image is refused")
    .by("what the guest's compiler does not emit is switched off in the engine"),
    host("module: calls back into the guest from a host call", |attempt| {
        Box::pin(async move {
            // Any export that runs while a host call does would trap.
            let check = "(if (global.get $inside) (then unreachable))";
            let call = |call: &str| format!("(global.set $inside (i32.const 1)) (drop {call}) (global.set $inside (i32.const 0))");
            let calls = [
                "(call $write (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const 1100))",
                "(call $random (i32.const 1024) (i32.const 64))",
                "(call $clock (i32.const 0) (i64.const 0) (i32.const 1024))",
                "(call $poll (i32.const 2048) (i32.const 3072) (i32.const 1) (i32.const 4000))",
            ]
            .map(call)
            .concat();
            let guest = Guest {
                declarations: "(global $inside (mut i32) (i32.const 0))
                     (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) unreachable)
                     (func (export \"malloc\") (param i32) (result i32) unreachable)"
                    .to_owned(),
                alloc: format!("{check} (i32.const {})", crate::guests::REQUEST),
                control: format!("{check} (i32.const {})", crate::guests::RESULT),
                batch: format!("{check} (i32.const {})", crate::guests::ARENA),
                invoke: format!("{check} {calls} {ECHO}"),
                ..Guest::default()
            };
            modules::answers(&attempt, guest).await
        })
    })
    .so("the call succeeds; nothing of the guest ran inside of a host call")
    .by("no host function calls the guest"),
    call(
        "bytecode that no compiler made",
        "
        def attack():
            def f(): return None
            code = f.__code__.replace(co_code=bytes([83, 255] * 64), co_stacksize=1)
            type(f)(code, {})()
        ",
        Ends::Crashes,
    )
    .by("compiled code stays in its memory and calls only functions of its table"),
    call(
        "NumPy: reading behind the end of memory",
        "
        import numpy

        def attack():
            base = numpy.zeros(1, dtype='uint8')
            return numpy.lib.stride_tricks.as_strided(base, shape=(16,), strides=(1 << 28,)).sum()
        ",
        Ends::Crashes,
    )
    .by(GUARDS),
    call(
        "NumPy: any address by the array interface",
        "
        import numpy

        class Memory:
            __array_interface__ = {'data': (0xfff00000, True), 'shape': (65536,), 'typestr': '|u1', 'version': 3}

        def attack():
            return numpy.asarray(Memory()).sum()
        ",
        Ends::Crashes,
    )
    .by(GUARDS),
    call(
        "NumPy: overwriting the interpreter's own memory",
        "
        import numpy

        class Memory:
            __array_interface__ = {'data': (1024, False), 'shape': (1 << 25,), 'typestr': '|u1', 'version': 3}

        def attack():
            numpy.asarray(Memory())[:] = 0xa5
        ",
        Ends::Crashes,
    )
    .by("the damage is the instance's own; the host takes nothing unchecked from it"),
];
