//! The namespace of everything that lives in one.

use std::collections::HashMap;

use super::fieldspec::{Create, PreparedSpec, set_scalar};
use crate::config::FieldSpec;
use crate::error::{Error, Result};
use crate::id::ResId;
use crate::resmap::ResMap;
use crate::resource::{Resource, annotation};
use crate::schema::Schema;
use crate::yaml::node::Data;
use crate::yaml::{Node, Tag};

/// Which subjects of role bindings get the namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Subjects {
    /// Those called `default`.
    #[default]
    Default,
    /// All service accounts.
    ServiceAccounts,
    /// None.
    None,
}

impl Subjects {
    pub(crate) fn parse(text: &str) -> Result<Subjects> {
        match text {
            "" | "defaultOnly" => Ok(Subjects::Default),
            "allServiceAccounts" => Ok(Subjects::ServiceAccounts),
            "none" => Ok(Subjects::None),
            other => Err(Error::invalid(format!(
                "invalid value \"{other}\" for setRoleBindingSubjects: must be one of \"defaultOnly\", \"none\" or \"allServiceAccounts\""
            ))),
        }
    }
}

/// What the transformer does.
pub(crate) struct Namespace<'a> {
    pub(crate) name: &'a str,
    pub(crate) specs: &'a [FieldSpec],
    pub(crate) unset_only: bool,
    pub(crate) subjects: Subjects,
}

impl Namespace<'_> {
    /// Sets the namespace of all objects. No two may become the same.
    pub(crate) fn apply(&self, map: &mut ResMap, schema: &Schema) -> Result<()> {
        if self.name.is_empty() {
            return Ok(());
        }
        let specs = PreparedSpec::all(self.specs);
        let mut present: HashMap<ResId, usize> = HashMap::new();
        for resource in map.items() {
            *present
                .entry(resource.current_id().key(schema))
                .or_default() += 1;
        }
        for resource in map.items_mut() {
            if resource.is_empty()
                || resource.annotation(annotation::HELM_GENERATED) == Some("true")
            {
                continue;
            }
            let before = resource.current_id().key(schema);
            resource.store_previous_id(schema);
            self.apply_one(resource, &specs, schema)?;
            let after = resource.current_id().key(schema);
            if let Some(count) = present.get_mut(&before) {
                *count -= 1;
            }
            let count = present.entry(after).or_default();
            *count += 1;
            if *count != 1 {
                return Err(Error::invalid(format!(
                    "namespace transformation produces ID conflict: {}",
                    resource.current_id()
                )));
            }
        }
        Ok(())
    }

    /// Sets the namespace of one object.
    pub(crate) fn apply_one(
        &self,
        resource: &mut Resource,
        specs: &[PreparedSpec],
        schema: &Schema,
    ) -> Result<()> {
        let core = resource.api_version() == "v1";
        let gvk = resource.gvk();
        if !schema.is_cluster_scoped(&gvk) {
            let spec = PreparedSpec::new(&FieldSpec::new("metadata/namespace", true));
            spec.apply(
                &mut resource.node,
                &Create::Scalar(Tag::None),
                &mut |field| self.set(field),
            )
            .map_err(failed)?;
        }
        let binding = matches!(gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
        if binding {
            self.set_subjects(&mut resource.node)?;
        }
        for spec in specs {
            let FieldSpec { path, gvk: of, .. } = spec.spec();
            let handled = path == "metadata/namespace"
                || (path == "metadata/name" && !core)
                || (binding
                    && matches!(of.kind.as_str(), "RoleBinding" | "ClusterRoleBinding")
                    && path == "subjects/namespace");
            if !handled {
                spec.apply(
                    &mut resource.node,
                    &Create::Scalar(Tag::Str),
                    &mut |field| self.set(field),
                )
                .map_err(failed)?;
            }
        }
        Ok(())
    }

    fn set(&self, field: &mut Node) -> Result<()> {
        if self.unset_only && !field.is_empty() && !field.value_text().is_empty() {
            return Ok(());
        }
        set_scalar(field, self.name, Tag::Str)
    }

    fn set_subjects(&self, node: &mut Node) -> Result<()> {
        let Some(Data::Seq(subjects)) = node
            .get_mut("subjects")
            .filter(|s| !s.is_null())
            .map(|s| &mut s.data)
        else {
            return Ok(());
        };
        for subject in subjects {
            let field = |key: &str| subject.get(key).map(Node::value_text);
            let chosen = match self.subjects {
                Subjects::None => false,
                Subjects::Default => field("name") == Some("default"),
                Subjects::ServiceAccounts => field("kind") == Some("ServiceAccount"),
            };
            if chosen
                && let Some(namespace) = subject.get_or_create("namespace", || Node::scalar(""))
            {
                self.set(namespace)?;
            }
        }
        Ok(())
    }
}

fn failed(error: Error) -> Error {
    error.context("namespace transformation failed")
}
