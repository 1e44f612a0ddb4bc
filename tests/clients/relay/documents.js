// Compiled by relay-compiler into __generated__: what a component would hold. No module imports this one, because
// `graphql` is a tag that babel-plugin-relay takes out.

import { graphql } from "relay-runtime";

export const query = graphql`
  query documentsListQuery($count: Int!, $filter: ArticleFilter) {
    ...documents_list @arguments(count: $count, filter: $filter)
  }
`;

export const list = graphql`
  fragment documents_list on Query
  @refetchable(queryName: "documentsNextPageQuery")
  @argumentDefinitions(count: { type: "Int!" }, cursor: { type: "String" }, filter: { type: "ArticleFilter" }) {
    articlesConnection(first: $count, after: $cursor, filter: $filter, orderBy: TITLE_ASC)
      @connection(key: "documents_list_articlesConnection", filters: ["filter"]) {
      edges {
        node {
          id
          ...documents_article
        }
      }
    }
  }
`;

export const article = graphql`
  fragment documents_article on Article @refetchable(queryName: "documentsArticleRefetchQuery") {
    id
    title
    version
  }
`;
