import {
  buildSchema,
  graphql,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
  parse,
  print,
  printSchema,
  validate,
} from 'graphql'

interface Book {
  readonly title: string
  readonly pages: number
  readonly author: string
}

const books: readonly Book[] = [
  { title: 'Erewhon', pages: 246, author: 'Samuel Butler' },
  { title: 'Flatland', pages: 96, author: 'Edwin Abbott' },
]

const Author = new GraphQLObjectType<{ name: string }>({
  name: 'Author',
  fields: { name: { type: new GraphQLNonNull(GraphQLString) } },
})
const BookType = new GraphQLObjectType<Book>({
  name: 'Book',
  fields: {
    title: { type: new GraphQLNonNull(GraphQLString) },
    pages: { type: GraphQLInt },
    author: { type: Author, resolve: async ({ author }) => ({ name: await Promise.resolve(author) }) },
    secret: {
      type: GraphQLString,
      resolve: () => {
        throw new Error('not for you')
      },
    },
  },
})
const schema = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: 'Query',
    fields: {
      hello: { type: GraphQLString, resolve: () => 'world' },
      books: {
        type: new GraphQLList(BookType),
        args: { longerThan: { type: GraphQLInt, defaultValue: 0 } },
        resolve: (_source, { longerThan }: { longerThan: number }) =>
          books.filter(({ pages }) => pages > longerThan),
      },
    },
  }),
})

interface Asked {
  readonly query: string
  readonly variables?: Record<string, unknown>
}

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname === '/schema') return new Response(printSchema(schema))
    const { query, variables } = (await request.json()) as Asked
    if (pathname === '/print') return new Response(print(parse(query)))
    if (pathname === '/validate') {
      const other = buildSchema('type Query { one: Int! two(of: [ID!]): String @deprecated }')
      return Response.json(validate(other, parse(query)).map(({ message }) => message))
    }
    const result = await graphql({
      schema,
      source: query,
      ...(variables === undefined ? {} : { variableValues: variables }),
    })
    return Response.json(result)
  },
}
