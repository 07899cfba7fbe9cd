//! Methods that set the fields of settings.
//!
//! Settings are `#[non_exhaustive]`, so that they can get fields without breaking their users. Another crate makes them from their
//! default and changes that, by these methods or by the fields, which are public.

/// For each field a method `with_FIELD` that sets it. A field without one does not compile.
macro_rules! setters {
    ($name:ident { $($setter:ident: $field:ident: $type:ty,)* }) => {
        impl $name {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $setter(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }

        const _: fn($name) = |$name { $($field: _,)* }| ();
    };
}

pub(crate) use setters;
