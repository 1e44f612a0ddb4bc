// A typed client without a library: the document says what goes in and what comes out.

import { graphql } from "./gql/gql.js";
import type { TypedDocumentString } from "./gql/graphql.js";

export async function execute<Result, Variables>(
  url: string,
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
): Promise<Result> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json" },
    body: JSON.stringify({ query: document.toString(), variables }),
  });
  const { data, errors } = (await response.json()) as { data: Result; errors?: { message: string }[] };
  if (errors) {
    throw new Error(errors.map(({ message }) => message).join("; "));
  }
  return data;
}

const CreateArticle = graphql(`
  mutation CreateArticle($input: CreateArticleInput!) {
    createArticle(input: $input) {
      id
      slug
    }
  }
`);

const NewestArticles = graphql(`
  query NewestArticles($filter: ArticleFilter, $first: Int) {
    articlesConnection(filter: $filter, first: $first, orderBy: CREATED_AT_DESC) {
      nodes {
        title
        createdAt
        version
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

export async function createAndFind(url: string, title: string): Promise<{ title: string; created: Date; version: number }[]> {
  const { createArticle } = await execute(url, CreateArticle, { input: { title, text: "Typed." } });
  const slug: string | undefined = createArticle?.slug;
  const { articlesConnection } = await execute(url, NewestArticles, { filter: { slug: { eq: slug } }, first: 5 });
  return articlesConnection.nodes.map(({ title, createdAt, version }) => ({ title, created: new Date(createdAt), version }));
}
