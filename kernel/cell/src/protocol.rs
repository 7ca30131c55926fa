//! Protocol between the kernel and its child process: the requests, the replies, and how they are encoded.
//!
//! Both sides compile this file. A message is the length of its body in eight bytes and the body: the fields in order,
//! numbers in eight bytes (little-endian), texts and lists behind their length, an enum's variant by its name.
//!
//! The encoding is written here and not serde's. `kernel/cell` is compiled against the library's shared object alone, which
//! doesn't export serde, and the names of the crates inside it are known to Cargo only.

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::Duration;

/// Gives an enum with named fields, or a struct, its encoding.
macro_rules! message {
    ($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$about:meta])* $variant:ident { $($(#[$what:meta])* $field:ident: $type:ty),* $(,)? }),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$about])* $variant { $($(#[$what])* $field: $type),* }),*
        }

        impl Encode for $name {
            fn encode(&self, to: &mut Vec<u8>) {
                match self {
                    $($name::$variant { $($field),* } => {
                        stringify!($variant).to_owned().encode(to);
                        $($field.encode(to);)*
                    })*
                }
            }

            fn decode(from: &mut &[u8]) -> io::Result<Self> {
                let variant = String::decode(from)?;
                $(if variant == stringify!($variant) {
                    return Ok($name::$variant { $($field: Encode::decode(from)?),* });
                })*
                Err(invalid(format!("found {variant:?}, expected a variant of {}", stringify!($name))))
            }
        }
    };
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$what:meta])* pub $field:ident: $type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$what])* pub $field: $type),* }

        impl Encode for $name {
            fn encode(&self, to: &mut Vec<u8>) {
                $(self.$field.encode(to);)*
            }

            fn decode(from: &mut &[u8]) -> io::Result<Self> {
                Ok($name { $($field: Encode::decode(from)?),* })
            }
        }
    };
}

message! {
    /// From the kernel to the child.
    pub enum Request {
        /// Load a shared object; the reply is `Loaded` or `NotLoaded`.
        Load { library: String },
        /// Load a cell and run it; the reply is `Ran`. `unnameable` are the ids of variables whose type no later cell could
        /// write.
        Run { library: String, symbol: String, unnameable: Vec<usize> },
        /// Drop kept variables; no reply.
        Forget { names: Vec<String> },
        /// Ask the library's running algorithm to stop; no reply.
        Stop {},
    }
}

message! {
    /// From the child to the kernel.
    pub enum Reply {
        /// A shared object is loaded.
        Loaded {},
        /// A shared object can't be loaded.
        NotLoaded { reason: String },
        /// A cell has ended.
        Ran { cell: Ran },
    }
}

message! {
    /// A cell that has ended.
    pub struct Ran {
        /// How it ended.
        pub end: CellEnd,
        /// Time to load it.
        pub load: Duration,
        /// Time of its own work.
        pub run: Duration,
        /// Contents that its last expression shows, by MIME type.
        pub shown: Vec<(String, String)>,
        /// Names of variables that it moved, which are gone.
        pub gone: Vec<String>,
        /// Names and shapes of the variables that it used or made and that are kept.
        pub kept: Vec<(String, String)>,
    }
}

message! {
    /// How a cell ended.
    pub enum CellEnd {
        /// It ran to its end.
        Done {},
        /// `?` ended it with an error.
        Failed { message: String },
        /// It panicked, at `file:line:column` where that is known.
        Panicked { message: String, location: String },
        /// Its shared object can't be loaded.
        NotLoaded { reason: String },
        /// It returned without saying how it ended.
        Unknown {},
    }
}

/// Sends a message.
pub fn send(to: &mut File, message: &impl Encode) -> io::Result<()> {
    let mut bytes = vec![0; 8];
    message.encode(&mut bytes);
    let length = bytes.len() as u64 - 8;
    bytes[..8].copy_from_slice(&length.to_le_bytes());
    to.write_all(&bytes)
}

/// Waits for a message.
pub fn receive<M: Encode>(from: &mut File) -> io::Result<M> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let mut bytes = Vec::new();
    from.take(u64::from_le_bytes(length)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != u64::from_le_bytes(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    M::decode(&mut bytes.as_slice())
}

/// A value that messages may contain.
pub trait Encode: Sized {
    /// Appends the value.
    fn encode(&self, to: &mut Vec<u8>);
    /// Takes a value off the front.
    fn decode(from: &mut &[u8]) -> io::Result<Self>;
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

impl Encode for usize {
    fn encode(&self, to: &mut Vec<u8>) {
        to.extend((*self as u64).to_le_bytes());
    }

    fn decode(from: &mut &[u8]) -> io::Result<Self> {
        let mut bytes = [0; 8];
        from.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes) as usize)
    }
}

impl Encode for Duration {
    fn encode(&self, to: &mut Vec<u8>) {
        (self.as_micros() as usize).encode(to);
    }

    fn decode(from: &mut &[u8]) -> io::Result<Self> {
        Ok(Duration::from_micros(usize::decode(from)? as u64))
    }
}

impl Encode for String {
    fn encode(&self, to: &mut Vec<u8>) {
        self.len().encode(to);
        to.extend(self.as_bytes());
    }

    fn decode(from: &mut &[u8]) -> io::Result<Self> {
        let length = usize::decode(from)?;
        let bytes = from.split_off(..length).ok_or(io::ErrorKind::UnexpectedEof)?;
        String::from_utf8(bytes.to_vec()).map_err(|error| invalid(error.to_string()))
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, to: &mut Vec<u8>) {
        self.len().encode(to);
        self.iter().for_each(|item| item.encode(to));
    }

    fn decode(from: &mut &[u8]) -> io::Result<Self> {
        (0..usize::decode(from)?).map(|_| T::decode(from)).collect()
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn encode(&self, to: &mut Vec<u8>) {
        self.0.encode(to);
        self.1.encode(to);
    }

    fn decode(from: &mut &[u8]) -> io::Result<Self> {
        Ok((A::decode(from)?, B::decode(from)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded<M: Encode>(message: &M) -> M {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        for cut in 0..bytes.len() {
            assert!(M::decode(&mut &bytes[..cut]).is_err(), "{cut} of {} bytes", bytes.len());
        }
        let mut rest = bytes.as_slice();
        let message = M::decode(&mut rest).unwrap();
        assert!(rest.is_empty());
        message
    }

    #[test]
    fn every_message_arrives_as_it_was_sent_and_a_cut_one_is_an_error() {
        for request in [
            Request::Load { library: "/tmp/a b.so".into() },
            Request::Run { library: "\u{e9}".into(), symbol: String::new(), unnameable: vec![0, 7, usize::MAX] },
            Request::Forget { names: vec!["x".into(), "two\nlines".into()] },
            Request::Stop {},
        ] {
            assert_eq!(decoded(&request), request);
        }
        let ends = [
            CellEnd::Done {},
            CellEnd::Failed { message: "no".into() },
            CellEnd::Panicked { message: "no".into(), location: "a.rs:1:2".into() },
            CellEnd::NotLoaded { reason: "no".into() },
            CellEnd::Unknown {},
        ];
        for end in ends {
            let (load, run) = (Duration::from_micros(3), Duration::from_secs(5));
            let shown = vec![("text/plain".to_owned(), "7".to_owned())];
            let cell =
                Ran { end, load, run, shown, gone: vec!["a".into()], kept: vec![("b".into(), "3 items".into())] };
            let reply = Reply::Ran { cell };
            assert_eq!(decoded(&reply), reply);
        }
        for reply in [Reply::Loaded {}, Reply::NotLoaded { reason: "gone".into() }] {
            assert_eq!(decoded(&reply), reply);
        }
    }

    #[test]
    fn a_variant_that_the_other_side_does_not_know_is_named_in_the_error() {
        let mut bytes = Vec::new();
        "Begin".to_owned().encode(&mut bytes);
        let error = Request::decode(&mut bytes.as_slice()).unwrap_err().to_string();
        assert!(error.contains("\"Begin\"") && error.contains("Request"), "{error}");
    }
}
