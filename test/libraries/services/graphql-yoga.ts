import { GraphQLError } from 'graphql'
import { createPubSub, createSchema, createYoga } from 'graphql-yoga'

const pubSub = createPubSub<{ message: [text: string] }>()

const yoga = createYoga({
  graphqlEndpoint: '/graphql',
  schema: createSchema({
    typeDefs: /* GraphQL */ `
      type Query {
        hello(name: String = "Yoga"): String
        fails: String
        leaks: String
      }
      type Mutation {
        send(text: String!): Boolean
        read(file: File!): String
      }
      type Subscription {
        countdown(from: Int!): Int!
        message: String!
      }
      scalar File
    `,
    resolvers: {
      Query: {
        hello: (_source, { name }: { name: string }) => `Hello from ${name}!`,
        fails: () => {
          throw new GraphQLError('You shall not pass', { extensions: { code: 'FORBIDDEN' } })
        },
        leaks: () => {
          throw new Error('the password is 1234')
        },
      },
      Mutation: {
        send: (_source, { text }: { text: string }) => {
          pubSub.publish('message', text)
          return true
        },
        read: async (_source, { file }: { file: File }) => `${file.name}: ${await file.text()}`,
      },
      Subscription: {
        countdown: {
          subscribe: async function* (_source: unknown, { from }: { from: number }) {
            for (let left = from; left >= 0; left--) {
              await new Promise((resolve) => setTimeout(resolve, 5))
              yield { countdown: left }
            }
          },
        },
        message: {
          subscribe: () => pubSub.subscribe('message'),
          resolve: (text: string) => text,
        },
      },
    },
  }),
})

export default { fetch: yoga.fetch }
