import {
  AutoRouter,
  cors,
  error,
  json,
  StatusError,
  withContent,
  withParams,
  type IRequest,
} from 'itty-router'

const { preflight, corsify } = cors({ origin: 'http://example.com' })
const todos = new Map([
  ['1', { id: '1', title: 'Buy milk' }],
  ['2', { id: '2', title: 'Feed the cat' }],
])
const withUser = (request: IRequest): void => {
  request['user'] = request.headers.get('x-user') ?? ''
}
const requireUser = (request: IRequest): Response | undefined =>
  request['user'] === '' ? error(401, 'Who are you?') : undefined

const router = AutoRouter({ before: [preflight, withParams] })

router
  .get('/hello/:name', ({ name }: IRequest) => `Hello, ${name}!`)
  .get('/json', () => [1, 2, 3])
  .get('/promises', () => Promise.resolve('foo'))
  .get('/todos/:id', ({ id }: IRequest) => todos.get(id) ?? error(404, 'no such todo'))
  .get('/files/:path+', ({ path }: IRequest) => path)
  .get('/search', ({ query }: IRequest) => query)
  .post('/todos', withContent, ({ content }: IRequest) => json(content, { status: 201 }))
  .get('/me', withUser, requireUser, ({ user }: IRequest) => ({ user }))
  .get('/cors', (request: IRequest) => corsify(json({ cors: true }), request))
  .get('/teapot', () => {
    throw new StatusError(418, { error: 'short and stout' })
  })

export default router
