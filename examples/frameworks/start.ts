/** `npx tsx examples/frameworks/start.ts express|fastify|nestjs [PORT]`: one of the applications, and a worker beside it. */
import 'reflect-metadata'
import process from 'node:process'
import { NestFactory } from '@nestjs/core'
import { open, type Spindle } from 'spindle-mq'
import { expressApp } from './express.ts'
import { fastifyApp } from './fastify.ts'
import { ShopModule } from './nestjs/shop.module.ts'
import { SPINDLE } from './nestjs/spindle.module.ts'
import { invoice } from './tasks.ts'

const [framework = 'express', port = '3000'] = process.argv.slice(2)

/** Resolves to the store that the application uses. */
async function listen(): Promise<Spindle> {
  if (framework === 'nestjs') {
    const app = await NestFactory.create(ShopModule)
    app.enableShutdownHooks()
    await app.listen(Number(port), '127.0.0.1')
    return app.get<Spindle>(SPINDLE)
  }
  const spindle = await open('memory:')
  if (framework === 'fastify') await fastifyApp(spindle).listen({ port: Number(port), host: '127.0.0.1' })
  else expressApp(spindle).listen(Number(port), '127.0.0.1')
  return spindle
}

const spindle = await listen()
await spindle.work([invoice])
console.log(
  `curl -i http://127.0.0.1:${port}/tasks/invoice -H 'content-type: application/json' -d '{"order":"a-1","cents":500}'`,
)
