//! Columns of text as Parquet column chunks, made from codes: each text is looked up once, where its row is added, and never
//! hashed or compared again when the chunk is written.

mod chunk;
mod dictionary;
mod text_column;

pub use chunk::ChunkEncoder;
pub use text_column::TextColumn;
