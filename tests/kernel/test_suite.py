"""The public test suite for kernels, against ours. What has no sample below is what the kernel does not claim."""

import unittest

import jupyter_kernel_test
from kernel import NAME, ON_EVCXR

SHOWN = 'println!("EVCXR_BEGIN_CONTENT text/html\\n<b>shown</b>\\nEVCXR_END_CONTENT\\nand on");'


class Suite(jupyter_kernel_test.KernelTests):
    kernel_name = NAME
    language_name = "rust"
    file_extension = ".rs"

    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("careful");'
    completion_samples = [{"text": "std::collections::HashM"}]
    complete_code_samples = ["1 + 1", "fn f() { 1 }", "let s = \"{\";", "// {"]
    incomplete_code_samples = ["fn f() {", "let a = (1,", 'let s = "abc']
    invalid_code_samples = ["1)", "(1]"]
    code_generate_error = 'let wrong: i32 = "text";'
    code_execute_result = [{"code": "6 * 7", "result": "42"}, {"code": "6 * 7 + 1", "result": "43"}]
    # evcxr gives what a cell shows at its end, as its result.
    code_display_data = [] if ON_EVCXR else [{"code": SHOWN, "mime": "text/html"}]
    code_clear_output = "" if ON_EVCXR else 'println!("gone"); scdd::progress::clear_output(false);'
    code_page_something = "?println"
    code_inspect_sample = "Vec"
    supported_history_operations = ("tail", "range", "search")
    code_history_pattern = "6 ?* 7"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The suite gives each cell 15 s; the very first ones may take longer on a busy machine.
        cls.kc.execute_interactive("let warm = 1;", timeout=300, output_hook=lambda _: None)

    def test_inspect(self):
        if ON_EVCXR:
            self.skipTest("evcxr hovers over what is in scope of its last cell only")
        super().test_inspect()


del jupyter_kernel_test.KernelTests


if __name__ == "__main__":
    unittest.main()
