//! Methods that set the fields of configurations.
//!
//! Configurations are `#[non_exhaustive]`, so that they can get fields without breaking their users. Another crate makes one from its
//! default and changes that, by these methods or by the fields, which are public.

/// For each field a method `with_FIELD` that sets it. A field without one does not compile.
///
/// It is exported for the crates of this project, and no part of the interface.
#[doc(hidden)]
#[macro_export]
macro_rules! __setters {
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
