/** Express: the 202 handler as middleware, before or behind a body parser. */
import express, { type Express } from 'express'
import type { Spindle } from 'spindle-mq'
import { taskHandler, toNodeListener } from 'spindle-mq/http'
import { invoice } from './tasks.ts'

export function expressApp(spindle: Spindle): Express {
  const app = express()
  app.use('/tasks', toNodeListener(taskHandler({ spindle, tasks: [invoice] })))
  app.use(express.json())
  app.get('/', (_request, response) => {
    response.send('the shop')
  })
  // A mount of its own, behind the parser: basePath is the path that clients see.
  app.use('/api/tasks', toNodeListener(taskHandler({ spindle, tasks: [invoice], basePath: '/api/tasks' })))
  return app
}
