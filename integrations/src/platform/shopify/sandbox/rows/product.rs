//! Products.

use serde_json::{Value, json};

use super::super::graphql::{Cell, Node, Plain, Step};
use super::{Row, World, amount, children, gid, moment, money};

const THINGS: [&str; 10] = [
    "Tea", "Coffee", "Mug", "Teapot", "Notebook", "Candle", "Blanket", "Lamp", "Basket", "Apron",
];
const KINDS: [&str; 8] = [
    "Classic", "Organic", "Large", "Small", "Blue", "Handmade", "Limited", "Everyday",
];

pub(super) fn title(i: usize) -> String {
    format!(
        "{} {} No. {}",
        KINDS[(i / 10) % KINDS.len()],
        THINGS[i % THINGS.len()],
        i + 1
    )
}

/// In cents.
pub(super) fn price(i: usize) -> u64 {
    490 + (i as u64 * 137) % 9_000
}

/// A product.
#[derive(Clone, Debug)]
pub struct ProductRow {
    pub i: usize,
    pub title: String,
    pub active: bool,
    pub created: i64,
    pub updated: i64,
    pub variants: usize,
}

struct VariantRow(usize, usize);

impl Row for ProductRow {
    const KIND: &'static str = "Product";
    const FIRST: u64 = 8_300_000_000_001;

    fn count(world: &World) -> usize {
        world.products
    }

    fn make(world: &World, i: usize) -> Self {
        let updated = world.stamp(i, world.products);
        Self {
            i,
            title: title(i),
            active: i % 12 != 11,
            created: updated - 86_400,
            updated,
            variants: if i % 60 == 59 { 45 } else { 1 + i % 3 },
        }
    }

    fn index(&self) -> usize {
        self.i
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn updated(&self) -> i64 {
        self.updated
    }

    fn email(&self) -> Option<&str> {
        None
    }
}

impl ProductRow {
    /// The id of a variant.
    pub(super) fn variant(product: usize, k: usize) -> u64 {
        44_000_000_000_001 + (product * 100 + k) as u64
    }

    fn handle(&self) -> String {
        self.title.to_lowercase().replace(". ", "-").replace(' ', "-")
    }

    pub(in super::super) fn payload(&self) -> Value {
        let variants = (0..self.variants).map(|k| {
            let id = Self::variant(self.i, k);
            json!({
                "id": id, "admin_graphql_api_id": gid("ProductVariant", id), "product_id": Self::FIRST + self.i as u64,
                "title": format!("Size {}", k + 1), "sku": format!("SKU-{}-{}", self.i, k + 1),
                "price": amount(price(self.i) + 100 * k as u64), "inventory_quantity": 12 - i64::try_from(k).unwrap_or(0),
            })
        });
        json!({
            "id": Self::FIRST + self.i as u64, "admin_graphql_api_id": Self::gid(self.i), "title": self.title,
            "handle": self.handle(), "vendor": "Example Goods", "product_type": THINGS[self.i % THINGS.len()],
            "status": if self.active { "active" } else { "draft" }, "tags": "catalogue, 2026",
            "created_at": moment(self.created), "updated_at": moment(self.updated),
            "published_at": self.active.then(|| moment(self.created)),
            "image": { "src": format!("https://cdn.example.com/{}.jpg", self.i) }, "variants": variants.collect::<Value>(),
        })
    }
}

impl Node for ProductRow {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn field(&self, step: &Step) -> Cell<'_> {
        match step.name.as_str() {
            "id" => Self::gid(self.i).into(),
            "legacyResourceId" => (Self::FIRST + self.i as u64).to_string().into(),
            "title" => self.title.as_str().into(),
            "handle" => self.handle().into(),
            "status" => if self.active { "ACTIVE" } else { "DRAFT" }.into(),
            "vendor" => "Example Goods".into(),
            "productType" => THINGS[self.i % THINGS.len()].into(),
            "tags" => vec!["2026".to_owned(), "catalogue".to_owned()].into(),
            "onlineStoreUrl" if self.active => {
                format!("https://leadline-demo.example.com/products/{}", self.handle()).into()
            }
            "featuredMedia" if !self.i.is_multiple_of(5) => {
                let image =
                    json!({ "url": format!("https://cdn.example.com/{}.jpg", self.i), "altText": null });
                Cell::Object(Box::new(Plain(
                    "MediaImage",
                    json!({ "preview": { "image": image } }),
                )))
            }
            "priceRangeV2" => {
                let most = price(self.i) + 100 * (self.variants - 1) as u64;
                let range =
                    json!({ "minVariantPrice": money(price(self.i)), "maxVariantPrice": money(most) });
                Cell::Object(Box::new(Plain("ProductPriceRangeV2", range)))
            }
            "createdAt" => moment(self.created).into(),
            "updatedAt" => moment(self.updated).into(),
            "variants" => children(
                (0..self.variants)
                    .map(|k| Box::new(VariantRow(self.i, k)) as _)
                    .collect(),
                step,
            ),
            _ => Cell::NULL,
        }
    }
}

impl Node for VariantRow {
    fn kind(&self) -> &'static str {
        "ProductVariant"
    }

    fn field(&self, step: &Step) -> Cell<'_> {
        let Self(product, k) = *self;
        match step.name.as_str() {
            "id" => gid("ProductVariant", ProductRow::variant(product, k)).into(),
            "title" => format!("Size {}", k + 1).into(),
            "sku" => format!("SKU-{product}-{}", k + 1).into(),
            "price" => amount(price(product) + 100 * k as u64).into(),
            "inventoryQuantity" => (12 - i64::try_from(k).unwrap_or(0)).into(),
            _ => Cell::NULL,
        }
    }
}
