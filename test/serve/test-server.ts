/**
 * testServer({ data?, …settings }): a whole server in this process, on ports that are free, for tests of any front end.
 *
 *     const server = await testServer()                    // memory:
 *     const server = await testServer({ data: folder })    // a data folder
 *     server.url          // http://127.0.0.1:PORT: SQS, SNS, admin API, metrics
 *     server.amqpUrl      // amqp://127.0.0.1:PORT, where `amqpPort: 0` was asked for
 *     server.port         // the broker's Port behind it
 *     server.users        // put users here; before the first one it runs open
 *     await server.close()
 */
export { type TestServer, testServer } from '../../src/testing/test-server.ts'
