//! Error numbers of preview 1, as far as the two sides are known to differ over them.

macro_rules! numbers {
    ($($name:ident = $number:literal;)*) => {
        $(
            #[doc = concat!("`E", stringify!($name), "`.")]
            pub const $name: u16 = $number;
        )*

        /// The name of an error number, or the number itself.
        pub fn name(number: u16) -> String {
            match number {
                0 => "success".to_owned(),
                $($number => concat!("E", stringify!($name)).to_owned(),)*
                _ => format!("errno {number}"),
            }
        }
    };
}

numbers! {
    ACCES = 2;
    BADF = 8;
    BUSY = 10;
    EXIST = 20;
    FAULT = 21;
    FBIG = 22;
    ILSEQ = 25;
    INTR = 27;
    INVAL = 28;
    IO = 29;
    ISDIR = 31;
    LOOP = 32;
    MFILE = 33;
    NAMETOOLONG = 37;
    NOENT = 44;
    NOMEM = 48;
    NOSPC = 51;
    NOTDIR = 54;
    NOTEMPTY = 55;
    NOTSOCK = 57;
    NOTSUP = 58;
    OVERFLOW = 61;
    PERM = 63;
    PIPE = 64;
    ROFS = 69;
    SPIPE = 70;
    XDEV = 75;
}
