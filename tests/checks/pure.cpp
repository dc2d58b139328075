// Linked with all object files of the components that plan, measure, judge and build, and with what
// they use: the linker proves that none of them needs KVM. tests/checks/CMakeLists.txt.
int main() {
  return 0;
}
