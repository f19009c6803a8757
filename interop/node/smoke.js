// What users of amqplib do: one scenario after another against the broker at AMQP_URL. Ends with 1 at the first that fails.
'use strict'
const assert = require('node:assert/strict')
const { randomBytes } = require('node:crypto')
const amqp = require('amqplib')

const url = process.env.AMQP_URL ?? 'amqp://guest:guest@localhost:5672/%2F'
const token = randomBytes(4).toString('hex')
const name = (stem) => `node.${token}.${stem}`
const wait = (emitter, event) => new Promise((resolve) => emitter.once(event, (...values) => resolve(values)))

const scenarios = {
  async 'confirms, all of a thousand' (connection) {
    const channel = await connection.createConfirmChannel()
    const { queue } = await channel.assertQueue(name('confirms'), { exclusive: true })
    for (let number = 0; number < 1000; number++) channel.sendToQueue(queue, Buffer.from(String(number)), { persistent: true })
    await channel.waitForConfirms()
    assert.equal((await channel.checkQueue(queue)).messageCount, 1000)
  },

  async 'consuming with a prefetch, acknowledging one by one' (connection) {
    const channel = await connection.createChannel()
    const { queue } = await channel.assertQueue('', { exclusive: true })
    assert.match(queue, /^amq\.gen-/)
    await channel.prefetch(10)
    for (let number = 0; number < 100; number++) channel.sendToQueue(queue, Buffer.from(String(number)))
    const got = await new Promise((resolve) => {
      const bodies = []
      channel.consume(queue, (message) => {
        bodies.push(message.content.toString())
        channel.ack(message)
        if (bodies.length === 100) resolve(bodies)
      })
    })
    assert.deepEqual(got, Array.from({ length: 100 }, (_, number) => String(number)))
  },

  async 'a mandatory message comes back' (connection) {
    const channel = await connection.createChannel()
    const returned = wait(channel, 'return')
    channel.publish('amq.topic', name('nobody'), Buffer.from('m'), { mandatory: true, headers: { a: 1 } })
    const [message] = await returned
    assert.equal(message.fields.replyCode, 312)
    assert.equal(message.fields.replyText, 'NO_ROUTE')
    assert.deepEqual({ ...message.properties.headers }, { a: 1 })
  },

  async 'an error closes the channel with its code and text' (connection) {
    const channel = await connection.createChannel()
    const failed = wait(channel, 'error')
    const queue = name('missing')
    await assert.rejects(channel.checkQueue(queue), /404 \(NOT-FOUND\)/)
    const [error] = await failed
    assert.equal(error.code, 404)
    assert.match(error.message, new RegExp(`NOT_FOUND - no queue '${queue}' in vhost '/'`))
  },

  async 'dead letters' (connection) {
    const channel = await connection.createChannel()
    const dead = (await channel.assertQueue(name('dead'), { exclusive: true })).queue
    const { queue } = await channel.assertQueue(name('q'), { exclusive: true, deadLetterExchange: '', deadLetterRoutingKey: dead, messageTtl: 50 })
    channel.sendToQueue(queue, Buffer.from('m'), { headers: { mine: true } })
    const message = await new Promise((resolve) => channel.consume(dead, resolve, { noAck: true }))
    assert.equal(message.properties.headers['x-death'][0].reason, 'expired')
    assert.equal(message.properties.headers['x-death'][0].count, 1)
    assert.equal(message.properties.headers.mine, true)
  },

  async 'topics, and exchanges bound to exchanges' (connection) {
    const channel = await connection.createChannel()
    const topic = name('topic')
    await channel.assertExchange(topic, 'topic', { autoDelete: true })
    const { queue } = await channel.assertQueue('', { exclusive: true })
    await channel.bindExchange(topic, 'amq.topic', `${token}.#`)
    await channel.bindQueue(queue, topic, '*.b.#')
    for (const key of ['a', 'b', 'b.c']) channel.publish('amq.topic', `${token}.${key}`, Buffer.from(key))
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.equal((await channel.get(queue, { noAck: true })).content.toString(), 'b')
    assert.equal((await channel.get(queue, { noAck: true })).content.toString(), 'b.c')
    assert.equal(await channel.get(queue), false)
  },

  async 'RPC over direct reply-to' (connection) {
    const server = await connection.createChannel()
    const { queue } = await server.assertQueue('', { exclusive: true })
    await server.consume(queue, ({ properties, content }) => {
      server.sendToQueue(properties.replyTo, Buffer.from(content.toString().toUpperCase()), { correlationId: properties.correlationId })
    }, { noAck: true })
    const client = await connection.createChannel()
    const answered = new Promise((resolve) => client.consume('amq.rabbitmq.reply-to', resolve, { noAck: true }))
    client.sendToQueue(queue, Buffer.from('question'), { replyTo: 'amq.rabbitmq.reply-to', correlationId: '1' })
    const answer = await answered
    assert.equal(answer.content.toString(), 'QUESTION')
    assert.equal(answer.properties.correlationId, '1')
  },

  async 'a deleted queue cancels its consumer' (connection) {
    const channel = await connection.createChannel()
    const { queue } = await channel.assertQueue(name('deleted'))
    const cancelled = new Promise((resolve) => channel.consume(queue, resolve))
    await (await connection.createChannel()).deleteQueue(queue)
    assert.equal(await cancelled, null)
  },

  async 'a large message' (connection) {
    const channel = await connection.createChannel()
    const { queue } = await channel.assertQueue('', { exclusive: true })
    const body = randomBytes(5 * 1024 * 1024)
    channel.sendToQueue(queue, body)
    assert.ok(body.equals((await channel.get(queue, { noAck: true })).content))
  },

  async 'a wrong password' () {
    await assert.rejects(amqp.connect(url.replace('guest:guest', 'guest:wrong')), /403 \(ACCESS-REFUSED\)/)
  },

  async 'heartbeats' () {
    const connection = await amqp.connect(`${url}?heartbeat=1`)
    await new Promise((resolve) => setTimeout(resolve, 4000))
    await connection.createChannel()
    await connection.close()
  }
}

async function main () {
  for (const [title, scenario] of Object.entries(scenarios)) {
    const connection = await amqp.connect(url, { clientProperties: { connection_name: title } })
    await scenario(connection)
    await connection.close()
    console.log(`ok ${title}`)
  }
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
