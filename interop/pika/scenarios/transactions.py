"""tx: nothing happens until commit, and a rollback undoes it."""

from scenarios import Case


class Transactions(Case):
    def test_publishes_wait_for_commit(self):
        queue, transaction = self.queue("q"), self.connection.channel()
        transaction.tx_select()
        for body in (b"1", b"2"):
            transaction.basic_publish("", queue, body)
        self.assertEqual(0, self.count(queue))
        transaction.tx_commit()
        self.assertEqual([b"1", b"2"], self.bodies(queue, 2))

    def test_rollback_forgets_publishes_and_acks(self):
        queue, transaction = self.queue("q", b"1"), self.connection.channel()
        transaction.tx_select()
        method, _, _ = transaction.basic_get(queue)
        transaction.basic_ack(method.delivery_tag)
        transaction.basic_publish("", queue, b"2")
        transaction.tx_rollback()
        transaction.basic_ack(method.delivery_tag)
        transaction.tx_commit()
        self.assertEqual((None, None, None), self.channel.basic_get(queue))

    def test_commit_without_select_costs_the_channel(self):
        self.assert_closes_channel(406, "PRECONDITION_FAILED - channel is not transactional", self.channel.tx_commit)

    def test_confirms_and_transactions_do_not_mix(self):
        self.channel.confirm_delivery()
        self.assert_closes_channel(406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode", self.channel.tx_select)
