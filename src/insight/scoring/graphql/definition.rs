//! Tables of points as lists: GraphQL has no maps.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{
    ContextSelectionSet, InputObject, InputType, InputValueError, InputValueResult, OutputType, Positioned,
    ServerResult, SimpleObject, Value,
};
use entity::{EngagementType, Stage};

use crate::insight::scoring::model::{PointsByStage, PointsByType};

/// Points of an engagement type.
#[derive(SimpleObject, InputObject, Clone, Copy, Debug)]
#[graphql(name = "EngagementPoints", input_name = "EngagementPointsInput")]
pub struct TypePoints {
    /// The type.
    #[graphql(name = "type")]
    pub kind: EngagementType,
    /// Points, 0–100.
    pub points: f64,
}

/// Points of a stage.
#[derive(SimpleObject, InputObject, Clone, Copy, Debug)]
#[graphql(name = "StagePoints", input_name = "StagePointsInput")]
pub struct StagePoints {
    /// The stage.
    pub stage: Stage,
    /// Points, 0–100.
    pub points: f64,
}

macro_rules! as_list {
    ($table:ty, $item:ident, $key:ident) => {
        impl InputType for $table {
            type RawValueType = Self;
            fn type_name() -> Cow<'static, str> {
                <Vec<$item> as InputType>::type_name()
            }
            fn qualified_type_name() -> String {
                <Vec<$item> as InputType>::qualified_type_name()
            }
            fn create_type_info(registry: &mut Registry) -> String {
                <Vec<$item> as InputType>::create_type_info(registry)
            }
            fn parse(value: Option<Value>) -> InputValueResult<Self> {
                let list = <Vec<$item> as InputType>::parse(value).map_err(InputValueError::propagate)?;
                let points: Vec<_> = list
                    .into_iter()
                    .map(|item| (item.$key, item.points))
                    .collect();
                Ok(Self::of(&points))
            }
            fn to_value(&self) -> Value {
                InputType::to_value(&self.listed())
            }
            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
        }
        impl OutputType for $table {
            fn type_name() -> Cow<'static, str> {
                <Vec<$item> as OutputType>::type_name()
            }
            fn qualified_type_name() -> String {
                <Vec<$item> as OutputType>::qualified_type_name()
            }
            fn create_type_info(registry: &mut Registry) -> String {
                <Vec<$item> as OutputType>::create_type_info(registry)
            }
            async fn resolve(
                &self,
                ctx: &ContextSelectionSet<'_>,
                field: &Positioned<Field>,
            ) -> ServerResult<Value> {
                OutputType::resolve(&self.listed(), ctx, field).await
            }
        }

        impl $table {
            /// Those that have points.
            fn listed(&self) -> Vec<$item> {
                self.iter()
                    .filter(|(_, points)| *points != 0.0)
                    .map(|($key, points)| $item { $key, points })
                    .collect()
            }
        }
    };
}

as_list!(PointsByType, TypePoints, kind);
as_list!(PointsByStage, StagePoints, stage);
