// Reads one request a line and answers each with graphql-js's verdict, and whether the normalized operation that the guard made
// of it gives the same answer. Resolvers are mocks: what a field answers depends on its name, its arguments and what it
// was read from, and on nothing else. See tests/graphql_js.rs.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import {
  GraphQLError, Kind, TypeInfo, buildSchema, defaultTypeResolver, execute, getNamedType, getNullableType, getOperationAST,
  isEnumType, isInterfaceType, isListType, isLeafType, parse, specifiedRules, validate, visit,
  visitWithTypeInfo,
} from "graphql";
import { getVariableValues } from "graphql/execution/values.js";

const schema = buildSchema(readFileSync(process.argv[2], "utf8"));

// Every scalar of Broadsheet's own is written as a string.
const dateTime = schema.getType("DateTime");
dateTime.parseValue = (value) => {
  if (typeof value !== "string") throw new GraphQLError("DateTime must be a string");
  return value;
};
dateTime.parseLiteral = (node) => {
  if (node.kind !== Kind.STRING) throw new GraphQLError("DateTime must be a string");
  return node.value;
};

// Not a rule of the specification.
const rules = specifiedRules.filter((rule) => rule.name !== "MaxIntrospectionDepthRule");

function hash(text) {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return value;
}

function mock(type, seed) {
  const nullable = getNullableType(type);
  if (isListType(nullable)) return [0, 1].map((index) => mock(nullable.ofType, `${seed}.${index}`));
  const number = hash(seed);
  if (isEnumType(nullable)) return nullable.getValues()[number % nullable.getValues().length].value;
  if (isLeafType(nullable)) {
    if (nullable === type && number % 5 === 0) return null;
    return { Int: number % 1000, Float: number / 7, Boolean: number % 2 === 0 }[nullable.name] ?? `${nullable.name}-${number}`;
  }
  return { seed };
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

function run(document, operationName, variableValues) {
  const calls = [];
  const result = execute({
    schema, document, operationName, variableValues,
    rootValue: { seed: "" },
    fieldResolver: (source, args, context, info) => {
      const seed = `${source.seed}/${info.fieldName}${JSON.stringify(sorted(args))}`;
      if (info.path.prev === undefined) calls.push(seed);
      return mock(info.returnType, seed);
    },
    typeResolver: (value, context, info, type) =>
      isInterfaceType(type) ? schema.getPossibleTypes(type)[0].name : defaultTypeResolver(value, context, info, type),
  });
  return { data: result.data, errors: result.errors, calls };
}

// A normalized operation may select nothing, which a document cannot.
const nothing = "{__typename @skip(if: true)}";
function parseNormalized(text) {
  const types = new TypeInfo(schema);
  return visit(parse(text.replace(/\{\}$/, nothing)), visitWithTypeInfo(types, {
    Field: (node) => node.selectionSet || isLeafType(getNamedType(types.getType()))
      ? undefined
      : { ...node, selectionSet: parse(nothing).definitions[0].selectionSet },
  }));
}

function judge({ query, operationName, variables, normalized }) {
  let document;
  try {
    document = parse(query);
  } catch (error) {
    return { verdict: "GRAPHQL_PARSE_FAILED", message: error.message };
  }
  const errors = validate(schema, document, rules);
  if (errors.length > 0) return { verdict: "GRAPHQL_VALIDATION_FAILED", message: errors.map((error) => error.message).join(" | ") };
  const operation = getOperationAST(document, operationName);
  if (!operation) return { verdict: "BAD_REQUEST", message: "no such operation" };
  const { errors: refused } = getVariableValues(schema, operation.variableDefinitions ?? [], variables);
  if (refused) return { verdict: "BAD_USER_INPUT", message: refused.map((error) => error.message).join(" | ") };
  const original = run(document, operationName, variables);
  // The mocks do not fail, so this is an argument that became null.
  if (original.errors) return { verdict: "BAD_USER_INPUT", message: original.errors.map((error) => error.message).join(" | ") };
  if (!normalized) return { verdict: "valid" };
  let answer;
  try {
    answer = run(parseNormalized(normalized.text), undefined, normalized.variables);
  } catch (error) {
    return { verdict: "valid", difference: `the normalized operation does not parse: ${error.message}` };
  }
  const [left, right] = [original, answer].map((answer) => JSON.stringify(answer));
  return { verdict: "valid", difference: left === right ? null : `${left} became ${right}` };
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(judge(JSON.parse(line))));
}
