//! Products and their variants.

use std::sync::Arc;

use async_graphql::{Enum, ID, Interface, Object, Result, SimpleObject};

use super::super::search::{Content, Kind};
use super::super::shops::{self, Status};
use super::connection::{Key, Window, connection, paginate};
use super::scalars::{DateTime, Money, UnsignedInt64, Url};
use super::shop::{Count, CountPrecision};
use super::{Scene, gid};

connection!(ProductConnection, ProductEdge, Product);
connection!(ProductVariantConnection, ProductVariantEdge, ProductVariant);

/// A product.
#[derive(Clone)]
pub(crate) struct Product(pub(crate) Arc<shops::Product>);

/// What products can be sorted by.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum ProductSortKeys {
    CreatedAt,
    Id,
    UpdatedAt,
}

impl ProductSortKeys {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::Id => "id",
            Self::UpdatedAt => "updated_at",
        }
    }

    pub(crate) fn key(self, product: &shops::Product) -> Key {
        let value = match self {
            Self::CreatedAt => product.created_at.timestamp(),
            Self::Id => 0,
            Self::UpdatedAt => product.updated_at.timestamp(),
        };
        (value, product.id)
    }
}

/// The filters on products that the sandbox imitates.
pub(crate) const SEARCH_FIELDS: &[(&str, Kind)] = &[
    ("", Kind::Text),
    ("created_at", Kind::Time),
    ("id", Kind::Number),
    ("product_type", Kind::Text),
    ("sku", Kind::Text),
    ("status", Kind::OneOf(&["active", "archived", "draft"])),
    ("title", Kind::Text),
    ("updated_at", Kind::Time),
    ("vendor", Kind::Text),
];

/// What a product has in a field of [`SEARCH_FIELDS`].
pub(crate) fn content(product: &shops::Product, field: &str) -> Content {
    let word = |word: &str| Content::Words(vec![word.to_owned()]);
    match field {
        "created_at" => Content::Time(product.created_at),
        "updated_at" => Content::Time(product.updated_at),
        "id" => Content::Number(product.id),
        "product_type" => word(product.kind),
        "sku" => Content::Words(product.variants.iter().map(|variant| variant.sku.clone()).collect()),
        "status" => word(match product.status {
            Status::Active => "active",
            Status::Archived => "archived",
        }),
        "vendor" => word(product.vendor),
        _ => word(&product.title),
    }
}

/// Whether buyers can see a product.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
#[graphql(remote = "Status")]
pub(crate) enum ProductStatus {
    Active,
    Archived,
}

/// What variants can be sorted by.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum ProductVariantSortKeys {
    Id,
    Position,
}

impl Product {
    /// The product, if it has not been deleted.
    pub(crate) fn find(scene: &Arc<Scene>, id: u64) -> Option<Self> {
        let product = scene.products().into_iter().find(|product| product.id == id)?;
        Some(Self(Arc::new(product)))
    }
}

#[Object]
impl Product {
    pub(crate) async fn id(&self) -> ID {
        gid("Product", self.0.id)
    }

    async fn legacy_resource_id(&self) -> UnsignedInt64 {
        UnsignedInt64(self.0.id)
    }

    async fn title(&self) -> String {
        self.0.title.clone()
    }

    async fn handle(&self) -> String {
        self.0.title.to_lowercase().replace(' ', "-")
    }

    async fn product_type(&self) -> &str {
        self.0.kind
    }

    async fn vendor(&self) -> &str {
        self.0.vendor
    }

    async fn status(&self) -> ProductStatus {
        self.0.status.into()
    }

    async fn total_inventory(&self) -> i32 {
        i32::try_from(self.0.id / 100 % 500).unwrap_or(0)
    }

    /// Every second product has a picture.
    async fn featured_media(&self) -> Option<Media> {
        let has_picture = (self.0.id / 100).is_multiple_of(2);
        has_picture.then(|| Media::MediaImage(MediaImage { product: self.0.id }))
    }

    async fn is_gift_card(&self) -> bool {
        self.0.is_gift_card()
    }

    async fn tags(&self) -> Vec<String> {
        Vec::new()
    }

    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    async fn published_at(&self) -> Option<DateTime> {
        Some(DateTime(self.0.created_at))
    }

    async fn variants_count(&self) -> Option<Count> {
        let count = i32::try_from(self.0.variants.len()).unwrap_or(i32::MAX);
        Some(Count {
            count,
            precision: CountPrecision::Exact,
        })
    }

    #[expect(clippy::too_many_arguments, reason = "the field has so many")]
    async fn variants(
        &self,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
        #[graphql(default_with = "Some(false)")] reverse: Option<bool>,
        #[graphql(default_with = "Some(ProductVariantSortKeys::Position)")] sort_key: Option<ProductVariantSortKeys>,
    ) -> Result<ProductVariantConnection> {
        let window = Window {
            after,
            before,
            first,
            last,
            reverse: reverse.unwrap_or_default(),
        };
        // Ids were given in the order of positions.
        let sort = match sort_key {
            Some(ProductVariantSortKeys::Id) | None => "id",
            Some(ProductVariantSortKeys::Position) => "position",
        };
        let places: Vec<_> = (0..self.0.variants.len()).collect();
        let page = paginate(places, sort, |place| (0, self.0.variants[*place].id), window)?;
        Ok(page
            .map(|place| ProductVariant {
                product: self.clone(),
                place,
            })
            .into())
    }
}

/// Something to look at.
#[derive(Interface)]
#[graphql(field(name = "preview", ty = "Option<MediaPreviewImage>"))]
pub(crate) enum Media {
    MediaImage(MediaImage),
}

/// A picture.
pub(crate) struct MediaImage {
    product: u64,
}

#[Object]
impl MediaImage {
    pub(crate) async fn preview(&self) -> Option<MediaPreviewImage> {
        let url = Url(format!("https://cdn.sandbox.invalid/products/{}.png", self.product));
        Some(MediaPreviewImage {
            image: Some(Image { url }),
        })
    }
}

/// A small version of something to look at.
#[derive(SimpleObject)]
pub(crate) struct MediaPreviewImage {
    image: Option<Image>,
}

/// Where a picture is.
#[derive(SimpleObject)]
pub(crate) struct Image {
    url: Url,
}

/// A variant of a product.
#[derive(Clone)]
pub(crate) struct ProductVariant {
    product: Product,
    place: usize,
}

/// A choice that makes a variant.
#[derive(SimpleObject)]
pub(crate) struct SelectedOption {
    name: String,
    value: String,
}

impl ProductVariant {
    /// The variant, if its product has not been deleted.
    pub(crate) fn find(scene: &Arc<Scene>, id: u64) -> Option<Self> {
        // A variant's id is its product's with a position in the last two digits.
        let product = Product::find(scene, id - id % 100)?;
        let place = product.0.variants.iter().position(|variant| variant.id == id)?;
        Some(Self { product, place })
    }

    fn variant(&self) -> &shops::Variant {
        &self.product.0.variants[self.place]
    }
}

#[Object]
impl ProductVariant {
    pub(crate) async fn id(&self) -> ID {
        gid("ProductVariant", self.variant().id)
    }

    async fn legacy_resource_id(&self) -> UnsignedInt64 {
        UnsignedInt64(self.variant().id)
    }

    async fn title(&self) -> &str {
        self.variant().title
    }

    async fn display_name(&self) -> String {
        format!("{} - {}", self.product.0.title, self.variant().title)
    }

    async fn sku(&self) -> Option<String> {
        Some(self.variant().sku.clone())
    }

    async fn price(&self) -> Money {
        Money(self.variant().price)
    }

    async fn position(&self) -> i32 {
        i32::try_from(self.place + 1).unwrap_or(i32::MAX)
    }

    async fn created_at(&self) -> DateTime {
        DateTime(self.product.0.created_at)
    }

    async fn updated_at(&self) -> DateTime {
        DateTime(self.product.0.updated_at)
    }

    async fn selected_options(&self) -> Vec<SelectedOption> {
        vec![SelectedOption {
            name: "Title".to_owned(),
            value: self.variant().title.to_owned(),
        }]
    }

    async fn product(&self) -> Product {
        self.product.clone()
    }
}
