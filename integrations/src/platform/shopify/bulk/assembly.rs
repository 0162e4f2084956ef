//! Lines of a file put together again: objects, and their children, which come as lines of their own.

use std::collections::{BTreeSet, HashMap};

use bytes::{Buf as _, Bytes, BytesMut};

use super::super::client::read;
use super::super::resource::Resource;
use super::super::wire::graphql::LineHead;
use crate::Result;

/// How many children are held that came away from their parent.
const HELD: usize = 20_000;

/// Cuts what comes into lines.
#[derive(Default)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// So far there is no end of a line.
    looked: usize,
}

impl Lines {
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole line, if it is there.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        loop {
            let Some(at) = memchr::memchr(b'\n', &self.buffer[self.looked..]) else {
                self.looked = self.buffer.len();
                return None;
            };
            let line = self.buffer.split_to(self.looked + at).freeze();
            self.buffer.advance(1);
            self.looked = 0;
            if !line.is_empty() {
                return Some(line);
            }
        }
    }

    /// What is behind the last end of a line.
    pub(super) fn rest(self) -> Option<Bytes> {
        let rest = self.buffer.freeze();
        (!rest.iter().all(u8::is_ascii_whitespace)).then_some(rest)
    }
}

/// Puts objects together. Children are expected behind their parent; the platform promises no such thing for all files, so
/// those that come before it are held until it comes, and of those that come when it is given already the parent is
/// remembered, to be read again.
pub(super) struct Assembly<R: Resource> {
    /// Whole objects.
    pub ready: Vec<R::Item>,
    open: Option<R::Item>,
    skip: u64,
    held: HashMap<String, Vec<R::Child>>,
    holds: usize,
    late: BTreeSet<String>,
}

impl<R: Resource> Assembly<R> {
    /// Passes over so many objects first.
    pub(super) fn behind(skip: u64) -> Self {
        Self {
            ready: Vec::new(),
            open: None,
            skip,
            held: HashMap::new(),
            holds: 0,
            late: BTreeSet::new(),
        }
    }

    /// Takes a line.
    pub(super) fn take(&mut self, line: &[u8]) -> Result<()> {
        if R::CHILDREN.is_some()
            && let Some(parent) = read::<LineHead<'_>>(line)?.parent
        {
            let child = R::child(read(line)?);
            self.child(&parent.0, child);
            return Ok(());
        }
        if R::CHILDREN.is_none() && self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        let (mut item, _) = R::item(read(line)?);
        if let Some(children) = self.held.remove(R::id(&item)) {
            self.holds -= children.len();
            for child in children {
                R::attach(&mut item, child);
            }
        }
        self.close();
        self.open = Some(item);
        Ok(())
    }

    fn child(&mut self, parent: &str, child: R::Child) {
        match &mut self.open {
            Some(open) if R::id(open) == parent => R::attach(open, child),
            _ if self.holds >= HELD => drop(self.late.insert(parent.to_owned())),
            _ => {
                self.holds += 1;
                self.held.entry(parent.to_owned()).or_default().push(child);
            }
        }
    }

    fn close(&mut self) {
        let Some(item) = self.open.take() else { return };
        if self.skip > 0 {
            self.skip -= 1;
        } else {
            self.ready.push(item);
        }
    }

    /// The last objects, and the ids of those that were given without all of their children.
    pub(super) fn finish(mut self) -> (Vec<R::Item>, Vec<String>) {
        self.close();
        self.late.extend(self.held.into_keys());
        (self.ready, self.late.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::resource::{Customers, Products};
    use super::*;

    fn product(id: u32) -> String {
        format!(r#"{{"id":"gid://shopify/Product/{id}","title":"P{id}","updatedAt":"2026-09-01T00:00:00Z"}}"#)
    }

    fn variant(id: u32, parent: u32) -> String {
        format!(
            r#"{{"id":"gid://shopify/ProductVariant/{id}","title":"V{id}","price":"1.50","__parentId":"gid://shopify/Product/{parent}"}}"#
        )
    }

    fn assembled(skip: u64, lines: &[String]) -> (Vec<(String, usize)>, Vec<String>) {
        let mut assembly = Assembly::<Products>::behind(skip);
        for line in lines {
            assembly.take(line.as_bytes()).expect("a line");
        }
        let (items, late) = assembly.finish();
        (
            items
                .into_iter()
                .map(|item| (item.title, item.variants.len()))
                .collect(),
            late,
        )
    }

    #[test]
    fn children_find_their_parent_wherever_they_stand() {
        let grouped = [
            product(1),
            variant(11, 1),
            variant(12, 1),
            product(2),
            variant(21, 2),
        ];
        let whole = vec![("P1".to_owned(), 2), ("P2".to_owned(), 1)];
        assert_eq!(assembled(0, &grouped), (whole.clone(), vec![]));
        let before = [
            variant(21, 2),
            variant(11, 1),
            product(1),
            variant(12, 1),
            product(2),
        ];
        assert_eq!(assembled(0, &before), (whole, vec![]));
        let behind = [
            product(1),
            variant(11, 1),
            product(2),
            variant(12, 1),
            variant(21, 2),
        ];
        let (items, late) = assembled(0, &behind);
        assert_eq!(items, [("P1".to_owned(), 1), ("P2".to_owned(), 1)]);
        assert_eq!(
            late,
            ["gid://shopify/Product/1"],
            "it was given without a child, and is to be read again"
        );
    }

    #[test]
    fn what_was_given_is_passed_over() {
        let lines = [product(1), variant(11, 1), product(2), variant(21, 2), product(3)];
        assert_eq!(assembled(2, &lines).0, [("P3".to_owned(), 0)]);
        let mut customers = Assembly::<Customers>::behind(1);
        customers.take(b"passed over unread").unwrap();
        customers.take(br#"{"id":"gid://shopify/Customer/2"}"#).unwrap();
        assert_eq!(customers.finish().0.len(), 1);
    }

    #[test]
    fn children_that_are_held_are_bounded() {
        let mut assembly = Assembly::<Products>::behind(0);
        for i in 0..u32::try_from(HELD).unwrap() + 2 {
            assembly.take(variant(i, i + 1).as_bytes()).unwrap();
        }
        assert_eq!((assembly.holds, assembly.late.len()), (HELD, 2));
    }

    #[test]
    fn lines_are_cut_wherever_the_pieces_end() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in ["{\"a\"", ":1}\n\n{\"b\":", "2}\n{\"c\"", ":3}"] {
            lines.push(piece.as_bytes());
            while let Some(line) = lines.next() {
                found.push(line);
            }
        }
        assert_eq!(found, ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(lines.rest().unwrap(), "{\"c\":3}");
    }
}
