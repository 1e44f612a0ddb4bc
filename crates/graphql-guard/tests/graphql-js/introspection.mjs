// Prints the query that reads a whole schema, and what graphql-js answers to it. See tests/graphql_js.rs.
import { readFileSync } from "node:fs";
import { buildSchema, getIntrospectionQuery, graphqlSync } from "graphql";

const schema = buildSchema(readFileSync(process.argv[2], "utf8"));
const query = getIntrospectionQuery({
  descriptions: true, specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true,
  inputValueDeprecation: true, oneOf: true,
});
const { data, errors } = graphqlSync({ schema, source: query });
if (errors) throw errors[0];
console.log(JSON.stringify({ query, data }));
