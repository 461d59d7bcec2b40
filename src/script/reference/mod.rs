//! What scripts can say, told from what is registered: a page for people, and definitions for editors.

mod definitions;
mod moments;
mod page;
mod vocabulary;
mod word;

pub use self::definitions::definitions;
pub use self::page::reference;
