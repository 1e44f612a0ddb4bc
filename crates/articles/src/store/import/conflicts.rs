//! Imports a chunk row by row: finds conflicts, and resolves them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use diesel::{ExpressionMethods as _, QueryDsl as _};

use super::{ImportConflict, Imported, IncomingDraft, OnConflict};
use crate::article::{Article, ArticleId};
use crate::error::{Error, Result};
use crate::store::bulk_creates::create_all;
use crate::store::connection::{Connection, run};
use crate::store::sql::tables::article;
use crate::store::sql::write::Replace;

/// The rows of a chunk, and the results so far.
pub(super) struct Chunk {
    drafts: Arc<[IncomingDraft]>,
    on_conflict: OnConflict,
    /// Those ids and slugs of this chunk that an article already has.
    ids: HashSet<ArticleId>,
    slugs: HashMap<String, ArticleId>,
    imported: Imported,
}

/// Which value of a row the conflicting article has.
#[derive(Debug, Clone, Copy)]
enum ConflictingValue {
    Id,
    Slug(ArticleId),
}

impl Chunk {
    pub(super) fn new(drafts: Arc<[IncomingDraft]>, on_conflict: OnConflict) -> Self {
        Self {
            drafts,
            on_conflict,
            ids: HashSet::new(),
            slugs: HashMap::new(),
            imported: Imported::default(),
        }
    }

    /// Imports the rows one by one.
    pub(super) async fn import(mut self, connection: &mut Connection<'_>) -> Result<Imported> {
        self.find_existing(connection).await?;
        let drafts = Arc::clone(&self.drafts);
        // Rows without conflicts are collected, to be created together.
        let mut waiting: Vec<usize> = Vec::new();
        for (index, row) in drafts.iter().enumerate() {
            let Some(conflict) = self.conflict_of(row) else {
                self.take(&row.draft.article, row.draft.derived);
                waiting.push(index);
                continue;
            };
            // The row to replace may be one of this chunk that is not created yet.
            if self.on_conflict == OnConflict::Replace {
                self.create(connection, std::mem::take(&mut waiting))
                    .await?;
            }
            self.settle(connection, row, conflict).await?;
        }
        self.create(connection, waiting).await?;
        Ok(self.imported)
    }

    /// Queries which ids and slugs articles have.
    async fn find_existing(&mut self, connection: &mut Connection<'_>) -> Result<()> {
        let ids: Vec<ArticleId> = self
            .drafts
            .iter()
            .filter(|row| row.has_id)
            .map(|row| row.draft.article.id)
            .collect();
        let found: Vec<ArticleId> = run!(connection, |c| article::table
            .filter(article::id.eq_any(ids))
            .select(article::id)
            .load(c))?;
        self.ids.extend(found);
        let slugs: Vec<String> = self
            .drafts
            .iter()
            .filter(|row| !row.draft.derived)
            .map(|row| row.draft.article.slug.clone())
            .collect();
        let found: Vec<(String, ArticleId)> = run!(connection, |c| article::table
            .filter(article::slug.eq_any(slugs))
            .select((article::slug, article::id))
            .load(c))?;
        self.slugs.extend(found);
        Ok(())
    }

    fn conflict_of(&self, row: &IncomingDraft) -> Option<ConflictingValue> {
        let article = &row.draft.article;
        if row.has_id && self.ids.contains(&article.id) {
            return Some(ConflictingValue::Id);
        }
        // A slug that is generated from the title gets a number instead.
        let holder = self.slugs.get(&article.slug)?;
        (!row.draft.derived).then_some(ConflictingValue::Slug(*holder))
    }

    fn take(&mut self, article: &Article, has_derived_slug: bool) {
        self.ids.insert(article.id);
        if !has_derived_slug {
            self.slugs.insert(article.slug.clone(), article.id);
        }
    }

    /// Creates rows as `createArticles` does. One may need the slug that was generated for an earlier one.
    async fn create(
        &mut self,
        connection: &mut Connection<'_>,
        mut waiting: Vec<usize>,
    ) -> Result<()> {
        let drafts = Arc::clone(&self.drafts);
        loop {
            let of = |indexes: &[usize]| indexes.iter().map(|i| drafts[*i].draft.clone()).collect();
            let created = create_all(connection, of(&waiting)).await;
            let (position, slug) = match created {
                Ok(created) => {
                    self.created(created);
                    return Ok(());
                }
                Err(Error::SlugTaken { article, slug }) => (article, slug),
                Err(error) => return Err(error),
            };
            let rest = waiting.split_off(position);
            let created = create_all(connection, of(&waiting)).await?;
            self.created(created);
            let holder = self.slugs.get(&slug).copied();
            let holder = holder.ok_or_else(|| Error::internal("a slug is taken by nobody"))?;
            let (first, others) = rest.split_first().unwrap_or((&0, &[]));
            let row = &drafts[*first];
            self.settle(connection, row, ConflictingValue::Slug(holder))
                .await?;
            waiting = others.to_vec();
        }
    }

    fn created(&mut self, articles: Vec<Article>) {
        self.imported.created += articles.len() as u64;
        let slugs = articles
            .into_iter()
            .map(|article| (article.slug, article.id));
        self.slugs.extend(slugs);
    }

    async fn settle(
        &mut self,
        connection: &mut Connection<'_>,
        row: &IncomingDraft,
        conflict: ConflictingValue,
    ) -> Result<()> {
        match self.on_conflict {
            OnConflict::Skip => self.imported.skipped += 1,
            OnConflict::Replace => self.replace(connection, row, conflict).await?,
            OnConflict::Error => {
                let slug = &row.draft.article.slug;
                let (field, reason) = match conflict {
                    ConflictingValue::Id => ("id", "there is an article with this id".to_owned()),
                    ConflictingValue::Slug(_) => (
                        "slug",
                        format!("the slug {slug:?} belongs to another article"),
                    ),
                };
                self.reject(row, field, reason);
            }
        }
        Ok(())
    }

    fn reject(&mut self, row: &IncomingDraft, field: &'static str, reason: String) {
        let row = row.row;
        let conflict = ImportConflict { row, field, reason };
        self.imported.conflicts.push(conflict);
    }

    /// The row replaces the article with its id; if there is none, and the row has no id of its own, the article with
    /// its slug. Another article with the slug is deleted.
    async fn replace(
        &mut self,
        connection: &mut Connection<'_>,
        row: &IncomingDraft,
        conflict: ConflictingValue,
    ) -> Result<()> {
        let article = &row.draft.article;
        let keeps_slug = row.draft.derived;
        let holder = self.slugs.get(&article.slug).copied();
        let (updated, deleted) = match conflict {
            ConflictingValue::Id => (
                Some(article.id),
                holder.filter(|it| *it != article.id && !keeps_slug),
            ),
            ConflictingValue::Slug(holder) if row.has_id => (None, Some(holder)),
            ConflictingValue::Slug(holder) => (Some(holder), None),
        };
        if let Some(id) = deleted {
            run!(connection, |c| diesel::delete(article::table)
                .filter(article::id.eq(id))
                .execute(c))?;
            self.ids.remove(&id);
            self.slugs.retain(|_, holder| *holder != id);
        }
        let Some(id) = updated else {
            self.take(article, keeps_slug);
            let created = create_all(connection, vec![row.draft.clone()]);
            let created = created.await?;
            self.slugs
                .extend(created.into_iter().map(|it| (it.slug, it.id)));
            self.imported.replaced += 1;
            return Ok(());
        };
        let replace = Replace {
            id,
            article: article.clone(),
            keeps_slug,
            created_at: row.created_at,
            version: row.version.unwrap_or(1),
        };
        if run!(connection, |c| replace.execute(c))? == 0 {
            let reason = "the existing article has the last possible version";
            self.reject(row, "version", reason.to_owned());
            return Ok(());
        }
        if !keeps_slug {
            self.slugs.retain(|_, holder| *holder != id);
            self.slugs.insert(article.slug.clone(), id);
        }
        self.imported.replaced += 1;
        Ok(())
    }
}
