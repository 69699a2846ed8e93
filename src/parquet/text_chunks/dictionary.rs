//! The distinct texts of a column, each with a code in the order of their first appearance.

/// Texts to codes; made for many look-ups of few texts, and to be used again after [`Dictionary::clear`].
#[derive(Default)]
pub(super) struct Dictionary {
    /// The texts in the order of their codes, each with its length before it, as Parquet's plain encoding has them.
    plain: Vec<u8>,
    /// By code: where its text lies.
    places: Vec<(u32, u32)>,
    /// Part of a text's hash, and its code plus one; zero is free. At most half of them are taken.
    slots: Vec<(u32, u32)>,
    /// Its keys are chosen at random: nobody can deliver texts that all collide.
    hasher: ahash::RandomState,
    last: Option<u32>,
}

impl Dictionary {
    /// The code of a text, a new one if need be.
    pub fn code(&mut self, text: &[u8]) -> u32 {
        // Neighbours are often alike.
        if let Some(code) = self.last.filter(|code| self.text(*code) == text) {
            return code;
        }
        if self.slots.len() < 2 * (self.places.len() + 1) {
            self.grow();
        }
        let hash = self.hasher.hash_one(text);
        let tag = (hash >> 32) as u32;
        let mut slot = self.first_slot(hash);
        let code = loop {
            match self.slots[slot] {
                (_, 0) => break self.add(slot, tag, text),
                (other, code) if other == tag && self.text(code - 1) == text => break code - 1,
                _ => slot = (slot + 1) & (self.slots.len() - 1),
            }
        };
        self.last = Some(code);
        code
    }

    fn text(&self, code: u32) -> &[u8] {
        let (start, end) = self.places[code as usize];
        &self.plain[start as usize..end as usize]
    }

    fn first_slot(&self, hash: u64) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    fn add(&mut self, slot: usize, tag: u32, text: &[u8]) -> u32 {
        self.plain.extend_from_slice(&(text.len() as u32).to_le_bytes());
        let start = self.plain.len() as u32;
        self.plain.extend_from_slice(text);
        self.places.push((start, self.plain.len() as u32));
        let code = self.places.len() as u32;
        self.slots[slot] = (tag, code);
        code - 1
    }

    fn grow(&mut self) {
        let size = (2 * self.slots.len()).max(64);
        self.slots.clear();
        self.slots.resize(size, (0, 0));
        for code in 0..self.places.len() as u32 {
            let hash = self.hasher.hash_one(self.text(code));
            let mut slot = self.first_slot(hash);
            while self.slots[slot].1 != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = ((hash >> 32) as u32, code + 1);
        }
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The texts.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.places.len() as u32).map(|code| self.text(code))
    }

    /// The texts, each with its length before it.
    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// Forgets all texts.
    pub fn clear(&mut self) {
        self.plain.clear();
        self.places.clear();
        self.slots.fill((0, 0));
        self.last = None;
    }
}
