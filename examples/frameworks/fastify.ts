/** Fastify: a plugin whose scope leaves bodies unread, so that the handler reads them, within its own limit. */
import fastify, { type FastifyInstance } from 'fastify'
import type { Spindle } from 'spindle-mq'
import { taskHandler, toNodeListener } from 'spindle-mq/http'
import { invoice } from './tasks.ts'

export function fastifyApp(spindle: Spindle): FastifyInstance {
  const app = fastify({ forceCloseConnections: true })
  app.get('/', () => 'the shop')
  app.register((scope, _options, done) => {
    const listener = toNodeListener(taskHandler({ spindle, tasks: [invoice] }))
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, unread) => unread(null))
    scope.all('/tasks/*', (request, reply) => {
      reply.hijack()
      listener(request.raw, reply.raw)
    })
    done()
  })
  return app
}
