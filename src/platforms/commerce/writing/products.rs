//! Products.

use entity::id::ProductId;
use integrations::facet;

use super::{Page, Step, list};
use crate::error::Error;
use crate::platforms::commerce::model::{minor, variant};
use crate::platforms::commerce::{Product, store};
use crate::platforms::connections::Written;

impl Page<'_> {
    pub(super) async fn products(&self, products: &[&facet::Product]) -> Result<Written, Error> {
        let ids: Vec<&str> = products.iter().map(|product| product.id.as_str()).collect();
        let before = store::products(self.tx, self.of.row.id, &ids).await?;
        let mut written = Written::default();
        let mut rows = Vec::new();
        for product in products {
            let old = before.get(&product.id);
            let row = self.product(product, old)?;
            let is_older = old.is_some_and(|old| row.changed_at < old.changed_at);
            let same = |new: &Product, old: &Product| {
                Product {
                    synced_at: new.synced_at,
                    ..old.clone()
                } == *new
            };
            rows.extend(Step::of(row, old, is_older, same).take(&mut written));
        }
        store::put_products(self.tx, &rows).await?;
        Ok(written)
    }

    fn product(&self, product: &facet::Product, before: Option<&Product>) -> Result<Product, Error> {
        let price = product.price.as_ref().and_then(|money| minor(money).ok());
        let (price_minor, currency) = match price {
            Some((minor, currency)) => (Some(minor), Some(currency)),
            // A webhook names no currency.
            None => before
                .map(|row| (row.price_minor, row.currency.clone()))
                .unwrap_or_default(),
        };
        Ok(Product {
            id: before.map_or_else(|| ProductId::at(self.now), |row| row.id),
            connection_id: self.of.row.id,
            external_id: product.id.clone(),
            title: product.title.clone(),
            is_active: product.active,
            vendor: product.vendor.clone(),
            kind: product.kind.clone(),
            tags: list(&product.tags)?,
            url: product.url.clone(),
            image: product.image.clone(),
            price_minor,
            currency,
            variants: list(product.variants.iter().map(variant))?,
            changed_at: product.updated_at.into(),
            synced_at: self.now,
            deleted_at: None,
        })
    }
}
