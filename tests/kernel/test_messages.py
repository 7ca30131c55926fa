"""What a frontend sees while a cell runs: text as it comes, bars that move, the stop button, a process that dies."""

import re
import threading
import time
import unittest

from jupyter_client.manager import start_new_kernel
from kernel import NAME, ON_EVCXR

LONG = 900


class Messages(unittest.TestCase):
    """Cells through jupyter_client, with every message and when it came."""

    @classmethod
    def setUpClass(cls):
        cls.manager, cls.client = start_new_kernel(kernel_name=NAME, startup_timeout=LONG)
        cls.run_cell("use scdd::prelude::*;")

    @classmethod
    def tearDownClass(cls):
        cls.client.stop_channels()
        cls.manager.shutdown_kernel()

    @classmethod
    def run_cell(cls, code, interrupt_after=()):
        """The reply, and each message with its time; the stop button is pressed so many seconds after something showed."""
        messages, pressed = [], []

        def take(message):
            messages.append((time.monotonic(), message["msg_type"], message["content"]))
            if message["msg_type"] == "stream" and not pressed:
                for seconds in interrupt_after:
                    pressed.append(threading.Timer(seconds, cls.manager.interrupt_kernel))
                    pressed[-1].start()

        reply = cls.client.execute_interactive(code, timeout=LONG, output_hook=take)
        return reply, messages

    def text(self, messages, stream="stdout"):
        return "".join(content["text"] for _, kind, content in messages if kind == "stream" and content["name"] == stream)

    def test_text_comes_as_it_is_printed(self):
        _, messages = self.run_cell(
            'for i in 0..4 { println!("line {i}"); std::thread::sleep(std::time::Duration::from_millis(300)); }'
        )
        times = [when for when, kind, _ in messages if kind == "stream"]
        self.assertGreater(times[-1] - times[0], 0.5)
        self.assertEqual(self.text(messages), "line 0\nline 1\nline 2\nline 3\n")

    def test_carriage_returns_arrive(self):
        if ON_EVCXR:
            self.skipTest("evcxr passes whole lines on")
        _, messages = self.run_cell('print!("1 %\\r2 %\\r"); print!("3 %");')
        self.assertEqual(self.text(messages), "1 %\r2 %\r3 %")

    def test_a_training_shows_one_bar_that_moves_with_its_losses(self):
        reply, messages = self.run_cell(
            "let cells = simulate().cells(600).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;\n"
            'let study = cells.study("cell_type").foundation_epochs(2).run()?;\n'
            "let scdg = study.train_scdg().steps(400).run()?;"
        )
        self.assertEqual(reply["content"]["status"], "ok")
        shown = [(kind, content) for _, kind, content in messages if "display_data" in kind]
        of_scdg = [(kind, content) for kind, content in shown if "training SCDG" in content["data"]["text/plain"]]
        self.assertEqual([kind for kind, _ in of_scdg].count("display_data"), 1)
        self.assertGreater(len(of_scdg), 2)
        self.assertEqual(len({content["transient"]["display_id"] for _, content in of_scdg}), 1)
        last = of_scdg[-1][1]["data"]
        self.assertRegex(last["text/plain"], r"^training SCDG: 400 steps in [\d.]+ s, loss ")
        self.assertIn("<polyline", last["text/html"])
        self.assertIn("<progress", of_scdg[0][1]["data"]["text/html"])
        self.assertNotIn("SCDD_PROGRESS", self.text(messages))

    def test_the_stop_button_ends_a_training_and_keeps_what_there_is(self):
        self.run_cell(
            "let few = simulate().cells(300).genes(120).classes(3).run()?.preprocess().min_genes(5).run()?;\n"
            'let of_few = few.study("cell_type").foundation_epochs(1).run()?;'
        )
        began = time.monotonic()
        reply, _ = self.run_cell(
            'println!("it begins");\nlet endless = of_few.train_scdg().steps(10_000_000).run()?;', interrupt_after=[1.0]
        )
        self.assertEqual(reply["content"]["status"], "ok")
        self.assertLess(time.monotonic() - began, 60)
        _, messages = self.run_cell('println!("{}", endless.history().interrupted);')
        self.assertIn("true", self.text(messages))
        # The next cell isn't stopped.
        _, messages = self.run_cell('println!("{}", of_few.train_scdg().steps(5).run()?.history().loss.len());')
        self.assertIn("5", self.text(messages))

    def test_a_second_press_ends_code_that_does_not_listen(self):
        self.run_cell("let kept_until_then = 1;")
        reply, messages = self.run_cell(
            'println!("it begins");\nloop { std::thread::sleep(std::time::Duration::from_millis(50)); }',
            interrupt_after=[0.5, 1.5],
        )
        self.assertEqual(reply["content"]["status"], "error")
        self.assertIn("kept_until_then", reply["content"]["evalue"])
        self.assertEqual([kind for _, kind, _ in messages].count("error"), 1)
        self.run_cell("use scdd::prelude::*;")
        _, messages = self.run_cell('println!("{}", 1 + 1);')
        self.assertIn("2", self.text(messages))

    def test_a_process_that_dies_is_replaced(self):
        reply, _ = self.run_cell("std::process::abort();")
        self.assertEqual(reply["content"]["status"], "error")
        self.run_cell("use scdd::prelude::*;")
        _, messages = self.run_cell('println!("{}", 2 + 2);')
        self.assertIn("4", self.text(messages))

    def test_a_hundred_megabytes_are_cut_with_a_note(self):
        reply, messages = self.run_cell('for _ in 0..100 { println!("{}", "x".repeat(1 << 20)); }')
        self.assertEqual(reply["content"]["status"], "ok")
        self.assertLess(len(self.text(messages)), 9 << 20)
        self.assertIn("text cut here", self.text(messages, "stderr"))

    def test_bytes_that_are_no_text_are_replaced(self):
        if ON_EVCXR:
            self.skipTest("evcxr ends its child on them")
        _, messages = self.run_cell("{ use std::io::Write; std::io::stdout().write_all(b\"a\\xff\\n\")?; }")
        self.assertEqual(self.text(messages), "a\ufffd\n")

    def test_a_thread_that_outlives_its_cell_disturbs_nobody(self):
        self.run_cell(
            "std::thread::spawn(|| { std::thread::sleep(std::time::Duration::from_millis(500)); println!(\"late\"); });"
        )
        reply, _ = self.run_cell("std::thread::sleep(std::time::Duration::from_millis(1500));")
        self.assertEqual(reply["content"]["status"], "ok")

    def test_the_time_of_a_cell_stands_in_its_reply(self):
        reply, _ = self.run_cell("std::thread::sleep(std::time::Duration::from_millis(300));")
        self.assertGreater(reply["metadata"]["seconds"], 0.3)
        self.assertTrue(reply["metadata"]["started"])

    def test_errors_name_the_line_in_colour(self):
        reply, _ = self.run_cell('let first = 1;\nlet second: i32 = "text";')
        traceback = "\n".join(reply["content"]["traceback"])
        self.assertRegex(traceback, "\x1b\\[")
        plain = re.sub("\x1b\\[[0-9;]*m", "", traceback)
        self.assertIn("mismatched types", plain)
        self.assertRegex(plain, r'2 \|.*let second: i32 = "text";')


if __name__ == "__main__":
    unittest.main()
